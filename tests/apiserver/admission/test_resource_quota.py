from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apiserver.conftest import Api, claim, config_map, pod, sized

pytestmark = pytest.mark.live

MERGE = "application/merge-patch+json"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def quota(api, ns, hard, name="q", used=None, **spec):
    """Make a quota and, as its controller does, take its limits over into the status."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard, **spec}}
    status, made = api.json("POST", f"{ns}/resourcequotas", body)
    assert status == 201, made
    made["status"] = {"hard": made["spec"]["hard"], "used": dict.fromkeys(hard, "0") | (used or {})}
    status, made = api.json("PUT", f"{ns}/resourcequotas/{name}/status", made)
    assert status == 200, made


def used(api, ns, name="q"):
    return api.json("GET", f"{ns}/resourcequotas/{name}")[1]["status"]["used"]


def refusal(api, path, obj):
    status, answer = api.json("POST", path, obj)
    assert (status, answer["reason"]) == (403, "Forbidden"), answer
    return answer["message"].partition(" is forbidden: ")[2]


def test_creates_book_and_are_refused_over_the_limit(api, ns):
    quota(api, ns, {"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi", "requests.example.com/gpu": "1"})
    asked = {"cpu": "600m", "example.com/gpu": "1"}
    body = sized("a", asked, {"memory": "512Mi", "example.com/gpu": "1"})
    assert api.json("POST", f"{ns}/pods?dryRun=All", body)[0] == 201
    assert used(api, ns)["pods"] == "0"
    assert api.json("POST", f"{ns}/pods", body)[0] == 201
    booked = {"pods": "1", "requests.cpu": "600m", "limits.memory": "512Mi", "requests.example.com/gpu": "1"}
    assert used(api, ns) == booked
    assert refusal(api, f"{ns}/pods", sized("b", asked, {"memory": "600Mi", "example.com/gpu": "1"})) == (
        "exceeded quota: q, requested: limits.memory=600Mi,requests.cpu=600m,requests.example.com/gpu=1, "
        "used: limits.memory=512Mi,requests.cpu=600m,requests.example.com/gpu=1, "
        "limited: limits.memory=1Gi,requests.cpu=1,requests.example.com/gpu=1"
    )
    assert refusal(api, f"{ns}/pods", pod("c")) == (
        "failed quota: q: must specify limits.memory for: c; requests.cpu for: c"
    )
    assert used(api, ns) == booked


def test_a_resize_books_what_it_adds(api, ns):
    quota(api, ns, {"requests.cpu": "1"})
    assert api.json("POST", f"{ns}/pods", sized("a", {"cpu": "500m"}))[0] == 201

    def resize(cpu):
        change = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
        return api.json("PATCH", f"{ns}/pods/a/resize", change, "application/strategic-merge-patch+json")

    assert resize("800m")[0] == 200
    assert used(api, ns) == {"requests.cpu": "800m"}
    status, answer = resize("1200m")
    assert status == 403
    assert "exceeded quota: q, requested: requests.cpu=400m, used: requests.cpu=800m" in answer["message"]


def test_counts_services_claims_and_custom_kinds(api, ns):
    hard = {
        "count/configmaps": "1",
        "services": "2",
        "services.nodeports": "1",
        "persistentvolumeclaims": "5",
        "requests.storage": "3Gi",
        "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
        "count/deployments.apps": "0",
    }
    quota(api, ns, hard)
    assert api.json("POST", f"{ns}/configmaps", config_map("a"))[0] == 201
    assert "requested: count/configmaps=1" in refusal(api, f"{ns}/configmaps", config_map("b"))
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    two = {"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}
    assert "requested: services.nodeports=2" in refusal(api, f"{ns}/services", service | {"spec": two})
    plain = {"ports": [{"name": "a", "port": 80}]}
    assert api.json("POST", f"{ns}/services", service | {"spec": plain})[0] == 201
    assert api.json("PATCH", f"{ns}/services/s", {"spec": {"type": "NodePort"}}, MERGE)[0] == 200
    assert used(api, ns)["services.nodeports"] == "1"
    assert "gold.storageclass.storage.k8s.io/requests.storage=2Gi" in refusal(
        api, f"{ns}/persistentvolumeclaims", claim("gold", "2Gi", storageClassName="gold")
    )
    assert api.json("POST", f"{ns}/persistentvolumeclaims", claim("plain", "2Gi"))[0] == 201
    assert used(api, ns)["requests.storage"] == "2Gi"


def test_scopes_select_pods(api, ns):
    name = ns.rpartition("/")[2]
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 5}
    assert api.json("POST", CLASSES, body)[0] == 201
    by_class = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": [name]}]}
    across = {"matchExpressions": [{"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"}]}
    quota(api, ns, {"pods": "0"}, "by-class", scopeSelector=by_class)
    quota(api, ns, {"pods": "0"}, "across", scopeSelector=across)
    quota(api, ns, {"pods": "0"}, "ending", scopes=["Terminating"])
    quota(api, ns, {"pods": "1"}, "careless", scopes=["BestEffort", "NotTerminating"])
    assert "exceeded quota: by-class" in refusal(api, f"{ns}/pods", sized("a", priorityClassName=name))
    term = {"topologyKey": "x", "namespaces": ["other"], "labelSelector": {}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert "exceeded quota: across" in refusal(api, f"{ns}/pods", sized("a", affinity=affinity))
    assert "exceeded quota: ending" in refusal(api, f"{ns}/pods", sized("a", activeDeadlineSeconds=5))
    assert api.json("POST", f"{ns}/pods", pod("a"))[0] == 201
    assert "exceeded quota: careless" in refusal(api, f"{ns}/pods", pod("b"))
    assert api.json("POST", f"{ns}/pods", sized("b", {"cpu": "1m"}))[0] == 201
    api.json("DELETE", f"{CLASSES}/{name}")


def test_a_claim_is_selected_by_its_attributes_class(api, ns):
    fast = {"matchExpressions": [{"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}]}
    quota(api, ns, {"persistentvolumeclaims": "0"}, scopeSelector=fast)
    path = f"{ns}/persistentvolumeclaims"
    assert "exceeded quota: q" in refusal(api, path, claim("a", "1Gi", volumeAttributesClassName="fast"))
    assert api.json("POST", path, claim("a", "1Gi", volumeAttributesClassName="slow"))[0] == 201


def test_creates_at_the_same_time_never_exceed_the_limit(api, ns):
    quota(api, ns, {"configmaps": "5"})
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda i: api.json("POST", f"{ns}/configmaps", config_map(f"c{i}"))[0], range(32)))
    assert sorted(statuses) == [201] * 5 + [403] * 27
    assert used(api, ns) == {"configmaps": "5"}
    assert len(api.json("GET", f"{ns}/configmaps")[1]["items"]) == 5


def test_what_the_configuration_limits_needs_a_quota(guarded):
    api = Api(guarded)
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "premium"}, "value": 5}
    assert api.json("POST", CLASSES, body)[0] == 201
    ns = api.namespace("limited")
    premium = sized("a", priorityClassName="premium")
    assert refusal(api, f"{ns}/pods", premium) == (
        "insufficient quota to match these scopes: [{PriorityClass In [premium]}]"
    )
    assert api.json("POST", f"{ns}/pods", pod("plain"))[0] == 201
    scope = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["premium"]}]}
    quota(api, ns, {"pods": "1"}, scopeSelector=scope)
    assert api.json("POST", f"{ns}/pods", premium)[0] == 201
    gold = claim("gold", "1Gi", storageClassName="gold")
    assert refusal(api, f"{ns}/persistentvolumeclaims", gold) == (
        "insufficient quota to consume: gold.storageclass.storage.k8s.io/persistentvolumeclaims,"
        "gold.storageclass.storage.k8s.io/requests.storage"
    )
