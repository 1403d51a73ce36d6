import pytest

from controllers.resource_quota import counted_resource, is_new, used


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("count/deployments.apps", "deployments.apps"),
        ("pods", "pods"),
        ("cpu", "pods"),
        ("requests.nvidia.com/gpu", "pods"),
        ("limits.memory", "pods"),
        ("requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims"),
        ("services.nodeports", "services"),
        ("secrets", "secrets"),
    ],
)
def test_what_a_limit_counts(name, resource):
    assert counted_resource(name) == resource


def pod(name, cpu, phase="Running"):
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    return {
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"containers": [container]},
        "status": {"phase": phase},
    }


def test_usage_is_summed_over_what_lives():
    hard = {"pods": "5", "requests.cpu": "2", "count/pods": "9", "secrets": "3", "count/things.example.com": "1"}
    quota = {"metadata": {"namespace": "ns"}, "spec": {"hard": hard}}
    objects = {"pods": [pod("a", "500m"), pod("b", "1"), pod("c", "1", "Succeeded")], "secrets": [{"metadata": {}}]}
    assert used(quota, lambda resource: objects.get(resource, [])) == {
        "pods": "2",
        "requests.cpu": "1500m",
        "count/pods": "3",
        "secrets": "1",
        "count/things.example.com": "0",
    }


def test_scopes_choose():
    quota = {"spec": {"hard": {"pods": "5"}, "scopes": ["BestEffort"]}}
    assert used(quota, lambda _: [pod("a", "1")])["pods"] == "0"


def test_a_quota_is_new_until_its_status_knows_its_limits():
    quota = {"spec": {"hard": {"pods": "1"}}}
    assert is_new(quota)
    assert not is_new({**quota, "status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}})
    assert is_new({**quota, "status": {"hard": {"pods": "2"}, "used": {"pods": "0"}}})
