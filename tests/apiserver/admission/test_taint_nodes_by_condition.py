import pytest

from tests.apiserver.conftest import pod

pytestmark = pytest.mark.live


def test_a_new_node_is_tainted_until_it_is_ready(api):
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fresh"}}
    made = api.json("POST", "/api/v1/nodes", body)[1]
    assert made["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    merge = "application/merge-patch+json"
    assert api.json("PATCH", "/api/v1/nodes/fresh", {"spec": {"taints": None}}, merge)[0] == 200
    assert "taints" not in api.json("GET", "/api/v1/nodes/fresh")[1]["spec"]
    api.json("DELETE", "/api/v1/nodes/fresh")


def test_pods_tolerate_a_node_that_is_away_for_five_minutes(api, ns):
    own = pod("own")
    own["spec"]["tolerations"] = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5}]
    own["spec"]["tolerations"][0]["effect"] = "NoExecute"
    made = api.json("POST", f"{ns}/pods", own)[1]["spec"]["tolerations"]
    assert [(one["key"], one["tolerationSeconds"]) for one in made] == [
        ("node.kubernetes.io/not-ready", 5),
        ("node.kubernetes.io/unreachable", 300),
    ]
