from apimachinery.resources import RESOURCES, Resource
from apiserver.endpoints import discovery

CRON_TAB = Resource(
    "stable.example.com", "v1", "CronTab", "crontabs", True, "crontab", ("ct",), subresources=("status",)
)


def test_groups_stand_in_upstreams_order_custom_ones_last():
    groups = [one["name"] for one in discovery.api_group_list([CRON_TAB, *RESOURCES])["groups"]]
    assert groups[:2] == ["apiregistration.k8s.io", "apps"]
    assert groups[-1] == "stable.example.com"
    assert len(groups) == len(set(groups))


def test_versions_are_ranked():
    versions = ["v1alpha1", "v2", "v1", "foo", "v1beta2", "v10", "v1beta10"]
    assert sorted(versions, key=discovery.version_rank) == ["v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "foo"]
    assert discovery.api_group("g", ["v1beta1", "v1"])["preferredVersion"] == {"groupVersion": "g/v1", "version": "v1"}


def test_resources_of_a_group_version():
    listed = discovery.api_resource_list("", "v1", RESOURCES)
    rows = {one["name"]: one for one in listed["resources"]}
    assert listed["groupVersion"] == "v1"
    assert rows["pods"]["shortNames"] == ["po"]
    assert rows["pods"]["categories"] == ["all"]
    assert rows["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "kind": "Eviction",
        "verbs": ["create"],
        "group": "policy",
        "version": "v1",
    }
    assert rows["replicationcontrollers/scale"]["group"] == "autoscaling"
    assert "storageVersionHash" not in rows["bindings"] | rows["pods/status"]
    assert rows["pods/status"]["verbs"] == ["get", "patch", "update"]


def test_the_storage_version_has_upstreams_hash():
    def hashes(group, version, resources, stored=None):
        listed = discovery.api_resource_list(group, version, resources, stored or {})["resources"]
        return {one["name"]: one.get("storageVersionHash") for one in listed}

    core = hashes("", "v1", RESOURCES)
    assert (core["pods"], core["configmaps"]) == ("xPOwRZ+Yhw8=", "qFsyl6wFWjQ=")
    assert hashes("apps", "v1", RESOURCES)["deployments"] == "8aSe+NMegvE="
    assert hashes("events.k8s.io", "v1", RESOURCES)["events"] == core["events"] == "r2yiGXH7wu8="
    assert hashes("autoscaling", "v1", RESOURCES)["horizontalpodautoscalers"] == "qwQve8ut294="
    stored = {"crontabs.stable.example.com": "v2"}
    assert hashes("stable.example.com", "v1", [CRON_TAB], stored) != hashes("stable.example.com", "v1", [CRON_TAB])


def test_aggregated_documents_hold_everything_once():
    core = discovery.aggregated([CRON_TAB, *RESOURCES], core=True)
    assert [one["metadata"] for one in core["items"]] == [{"creationTimestamp": None}]
    others = discovery.aggregated([CRON_TAB, *RESOURCES], core=False)
    assert others["apiVersion"] == "apidiscovery.k8s.io/v2"
    crontab = others["items"][-1]["versions"][0]["resources"][0]
    assert crontab["responseKind"] == {"group": "stable.example.com", "version": "v1", "kind": "CronTab"}
    assert crontab["subresources"][0]["subresource"] == "status"
    count = sum(
        len(version["resources"]) for doc in (core, others) for item in doc["items"] for version in item["versions"]
    )
    assert count == len(RESOURCES) + 1
