import pytest

from scheduler.cycle import schedule
from tests.scheduler.builders import PROFILE, node, pod, snapshot


def message(p, snap):
    decision = schedule(PROFILE, p, snap)
    assert decision.node_name == ""
    return decision.diagnosis.message


def test_a_pod_goes_to_the_only_node():
    assert schedule(PROFILE, pod(), snapshot()).node_name == "n1"


def test_without_nodes_the_message_is_upstreams():
    snap = snapshot()
    snap.remove_node("n1")
    assert message(pod(), snap) == "no nodes available to schedule pods"


def test_every_lacking_resource_is_told():
    text = message(pod(cpu="5", memory="9Gi"), snapshot())
    assert text == "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."


def test_requests_of_placed_pods_count():
    placed = pod("a", cpu="3", node="n1")
    assert "1 Insufficient cpu" in message(pod(cpu="1500m"), snapshot(pods=[placed]))
    assert schedule(PROFILE, pod(cpu="1"), snapshot(pods=[placed])).node_name == "n1"


def test_extended_resources_and_pod_count():
    assert "1 Insufficient example.com/gpu" in message(pod(extended={"example.com/gpu": "1"}), snapshot())
    full = snapshot(node(pods="1"), pods=[pod("a", node="n1")])
    assert "1 Too many pods" in message(pod(), full)


def test_init_containers_count_by_their_maximum():
    p = pod(cpu="1", initContainers=[{"name": "i", "resources": {"requests": {"cpu": "5"}}}])
    assert "Insufficient cpu" in message(p, snapshot())


def test_node_selector_and_node_affinity():
    snap = snapshot(node("a", labels={"disk": "hdd"}), node("b", labels={"disk": "ssd"}))
    assert schedule(PROFILE, pod(nodeSelector={"disk": "ssd"}), snap).node_name == "b"
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["hdd"]}]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    assert schedule(PROFILE, pod(affinity=affinity), snap).node_name == "a"
    assert message(pod(nodeSelector={"disk": "tape"}), snap) == (
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    )
    fields = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": fields}}
    assert schedule(PROFILE, pod(affinity=affinity), snap).node_name == "b"


def test_preferred_node_affinity_decides_between_equals():
    term = {"weight": 10, "preference": {"matchExpressions": [{"key": "z", "operator": "Exists"}]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    snap = snapshot(node("a"), node("b", labels={"z": ""}), node("c"))
    for rotation in range(3):
        assert schedule(PROFILE, pod(affinity=affinity), snap, rotation).node_name == "b"


def test_taints_and_cordons():
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    snap = snapshot(node(taints=[taint]))
    assert message(pod(), snap) == "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
    assert schedule(PROFILE, pod(tolerations=[{"operator": "Exists"}]), snap).node_name == "n1"
    cordoned = snapshot(node(spec={"unschedulable": True}))
    assert "1 node(s) were unschedulable" in message(pod(), cordoned)


def test_prefer_no_schedule_only_prefers():
    soft = {"key": "k", "effect": "PreferNoSchedule"}
    snap = snapshot(node("a", taints=[soft]), node("b"))
    for rotation in range(2):
        assert schedule(PROFILE, pod(), snap, rotation).node_name == "b"


@pytest.mark.parametrize(
    ("used", "wanted", "fits"),
    [
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, {"hostPort": 80}, False),
        ({"hostPort": 80}, {"hostPort": 80, "hostIP": "127.0.0.1"}, False),
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, {"hostPort": 80, "hostIP": "127.0.0.2"}, True),
        ({"hostPort": 80, "protocol": "UDP"}, {"hostPort": 80}, True),
        ({"hostPort": 81}, {"hostPort": 80}, True),
    ],
)
def test_host_ports(used, wanted, fits):
    snap = snapshot(pods=[pod("a", node="n1", ports=[used])])
    decision = schedule(PROFILE, pod(ports=[wanted]), snap)
    assert bool(decision.node_name) is fits


def anti(labels, key="kubernetes.io/hostname"):
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": key}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_anti_affinity_works_both_ways():
    placed = pod("a", labels={"app": "x"}, node="n1")
    assert "1 node(s) didn't match pod anti-affinity rules" in message(
        pod(affinity=anti({"app": "x"})), snapshot(pods=[placed])
    )
    shy = pod("a", affinity=anti({"app": "y"}), node="n1")
    assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in message(
        pod(labels={"app": "y"}), snapshot(pods=[shy])
    )


def test_affinity_and_the_first_of_its_kind():
    term = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert "1 node(s) didn't match pod affinity rules" in message(pod(affinity=affinity), snapshot())
    assert schedule(PROFILE, pod(affinity=affinity, labels={"app": "x"}), snapshot()).node_name == "n1"
    snap = snapshot(node("a"), node("b"), pods=[pod("p1", labels={"app": "x"}, node="b")])
    assert schedule(PROFILE, pod(affinity=affinity), snap).node_name == "b"


def test_affinity_respects_namespaces():
    term = {
        "labelSelector": {},
        "topologyKey": "kubernetes.io/hostname",
        "namespaceSelector": {"matchLabels": {"t": "1"}},
    }
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    snap = snapshot(pods=[pod("o", namespace="other", node="n1")])
    assert not schedule(PROFILE, pod(affinity=affinity), snap).node_name
    snap.namespace_labels["other"] = {"t": "1"}
    assert schedule(PROFILE, pod(affinity=affinity), snap).node_name == "n1"


def test_topology_spread():
    constraint = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    snap = snapshot(
        node("a", labels={"zone": "1"}),
        node("b", labels={"zone": "2"}),
        pods=[pod("p1", labels={"app": "x"}, node="a")],
    )
    p = pod(labels={"app": "x"}, topologySpreadConstraints=[constraint])
    for rotation in range(2):
        assert schedule(PROFILE, p, snap, rotation).node_name == "b"
    only_a = pod(labels={"app": "x"}, topologySpreadConstraints=[{**constraint, "topologyKey": "rack"}])
    assert "(missing required label)" in message(only_a, snap)


def test_soft_spread_balances():
    constraint = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    snap = snapshot(node("a"), node("b"))
    for index in range(6):
        p = pod(f"p{index}", labels={"app": "x"}, topologySpreadConstraints=[constraint])
        snap.set_pod(p, schedule(PROFILE, p, snap, index).node_name)
    assert [len(n.pods) for n in snap.node_list()] == [3, 3]


def test_pods_spread_over_equal_nodes_by_what_is_left():
    snap = snapshot(node("a"), node("b"))
    for index in range(4):
        p = pod(f"p{index}", cpu="500m", memory="1Gi")
        snap.set_pod(p, schedule(PROFILE, p, snap, index).node_name)
    assert [len(n.pods) for n in snap.node_list()] == [2, 2]


def test_image_locality_prefers_the_node_with_the_image():
    images = [{"names": ["docker.io/library/big:latest"], "sizeBytes": 900 * 1024 * 1024}]
    snap = snapshot(node("a"), node("b", images=images))
    for rotation in range(2):
        assert schedule(PROFILE, pod(image="docker.io/library/big"), snap, rotation).node_name == "b"


def test_a_big_cluster_is_not_tried_whole():
    snap = snapshot(*(node(f"n{i}") for i in range(400)))
    decision = schedule(PROFILE, pod(), snap, 7)
    assert decision.node_name
    assert decision.evaluated < 400
