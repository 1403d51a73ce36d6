from scheduler.hints import HINTS, Change, ClusterEvent, wakes
from scheduler.plugins.registry import PLUGINS
from tests.scheduler.builders import node, pod, snapshot


def fresh(**options):
    return snapshot(node(**options)).nodes["n1"]


def test_every_filter_has_hints():
    filters = {row.name for row in PLUGINS if row.make({}).overrides("filter")}
    assert filters == set(HINTS)


def test_only_what_the_refusing_plugins_care_about_wakes():
    plugins = frozenset({"NodeResourcesFit"})
    big = pod(cpu="8")
    assert not wakes(ClusterEvent(Change.NODE_ADDED, node=fresh(cpu="4")), big, plugins)
    assert wakes(ClusterEvent(Change.NODE_ADDED, node=fresh(cpu="16")), big, plugins)
    assert wakes(ClusterEvent(Change.POD_REMOVED, pod=pod("gone")), big, plugins)
    assert not wakes(ClusterEvent(Change.NODE_LABELS, node=fresh()), big, plugins)


def test_node_affinity_taints_and_ports():
    choosy = pod(nodeSelector={"disk": "ssd"})
    affinity = frozenset({"NodeAffinity"})
    assert not wakes(ClusterEvent(Change.NODE_LABELS, node=fresh()), choosy, affinity)
    assert wakes(ClusterEvent(Change.NODE_LABELS, node=fresh(labels={"disk": "ssd"})), choosy, affinity)
    tainted = fresh(taints=[{"key": "k", "effect": "NoSchedule"}])
    assert not wakes(ClusterEvent(Change.NODE_TAINTS, node=tainted), pod(), frozenset({"TaintToleration"}))
    assert wakes(ClusterEvent(Change.NODE_TAINTS, node=fresh()), pod(), frozenset({"TaintToleration"}))
    wanting = pod(ports=[{"hostPort": 80}])
    ports = frozenset({"NodePorts"})
    assert wakes(ClusterEvent(Change.POD_REMOVED, pod=pod("a", ports=[{"hostPort": 80}])), wanting, ports)
    assert not wakes(ClusterEvent(Change.POD_REMOVED, pod=pod("a", ports=[{"hostPort": 81}])), wanting, ports)


def test_a_pod_that_nobody_in_particular_refused_wakes_at_anything():
    assert wakes(ClusterEvent(Change.SERVICE), pod(), frozenset())
