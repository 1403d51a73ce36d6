import pytest

from controllers.daemon_set.placement import Placement, node_affinity, place, target_node, tolerations

RUN, STAY, NEITHER = Placement(run=True, stay=True), Placement(run=False, stay=True), Placement(run=False, stay=False)


def node(*taints, **labels):
    return {"metadata": {"name": "n1", "labels": labels}, "spec": {"taints": list(taints)}}


def taint(key, effect):
    return {"key": key, "effect": effect}


def required(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def expression(key, *values, operator="In"):
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("spec", "there", "expected"),
    [
        ({}, node(), RUN),
        ({"nodeName": "n1"}, node(), RUN),
        ({"nodeName": "n2"}, node(), NEITHER),
        ({"nodeSelector": {"disk": "ssd"}}, node(disk="ssd"), RUN),
        ({"nodeSelector": {"disk": "ssd"}}, node(disk="hdd"), NEITHER),
        ({"affinity": required({"matchExpressions": [expression("disk", "ssd")]})}, node(disk="ssd"), RUN),
        ({"affinity": required({"matchExpressions": [expression("disk", "ssd")]})}, node(), NEITHER),
        ({"affinity": required({"matchFields": [expression("metadata.name", "n1")]})}, node(), RUN),
        ({"affinity": required({"matchFields": [expression("metadata.name", "n2")]})}, node(), NEITHER),
        ({"affinity": required({"matchFields": [expression("metadata.name", "n2")]}, {})}, node(), NEITHER),
        ({}, node(taint("mine", "NoSchedule")), STAY),
        ({}, node(taint("mine", "NoExecute")), NEITHER),
        ({}, node(taint("mine", "PreferNoSchedule")), RUN),
        ({"tolerations": [{"operator": "Exists"}]}, node(taint("mine", "NoExecute")), RUN),
    ],
)
def test_selectors_affinity_and_taints_decide_which_nodes_are_for_a_daemon(spec, there, expected):
    assert place({"spec": spec}, there) == expected


@pytest.mark.parametrize("trouble", ["not-ready:NoExecute", "unreachable:NoExecute", "unschedulable:NoSchedule"])
def test_daemons_outlive_what_befalls_a_node(trouble):
    key, effect = trouble.split(":")
    assert place({}, node(taint(f"node.kubernetes.io/{key}", effect))) == RUN


def test_only_the_host_network_does_without_the_pod_network():
    there = node(taint("node.kubernetes.io/network-unavailable", "NoSchedule"))
    assert place({"spec": {}}, there) == STAY
    assert place({"spec": {"hostNetwork": True}}, there) == RUN


def test_a_toleration_of_the_template_is_not_doubled():
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    other = {**own, "tolerationSeconds": 5, "effect": "NoSchedule"}
    found = tolerations({"tolerations": [own, other]})
    assert [found.count(own), found.count(other), len(found)] == [1, 1, 7]


def test_a_pod_is_tied_to_its_node_and_keeps_its_other_wishes():
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}
    wishes = {"podAntiAffinity": {"x": 1}, "nodeAffinity": {**preferred, **required({})["nodeAffinity"]}}
    made = node_affinity(wishes, "n1")
    assert made["podAntiAffinity"] == {"x": 1}
    assert made["nodeAffinity"] == {
        **preferred,
        **required({"matchFields": [expression("metadata.name", "n1")]})["nodeAffinity"],
    }
    assert target_node({"spec": {"affinity": made}}) == "n1"


def test_a_pod_may_name_no_node():
    assert target_node({"spec": {"affinity": required({"matchExpressions": [expression("disk", "ssd")]})}}) == ""
    assert target_node({"spec": {"nodeName": "n2", "affinity": node_affinity(None, "n1")}}) == "n2"
