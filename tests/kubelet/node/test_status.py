from kubelet.node.status import NodeFacts, differs, node_status


def facts(**more):
    base = {
        "name": "n",
        "addresses": ("10.0.0.1",),
        "port": 10250,
        "cpus": 2,
        "memory": 1 << 30,
        "disk": 1 << 40,
        "max_pods": 110,
        "reserved": {"cpu": "500m"},
        "eviction_memory": 100 << 20,
        "eviction_disk": 0,
        "system_info": {},
        "images": (),
        "handlers": (),
        "features": {},
        "not_ready": "",
    }
    return NodeFacts(**(base | more))


def test_capacity_minus_reserved_is_allocatable():
    status = node_status(facts(), {}, "now")
    assert status["capacity"]["cpu"] == "2"
    assert status["allocatable"]["cpu"] == "1500m"
    assert status["allocatable"]["memory"] == f"{(1 << 20) - (100 << 10)}Ki"
    assert status["addresses"] == [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "n"}]


def test_conditions_keep_their_transition_and_heartbeats_are_no_difference():
    first = node_status(facts(), {}, "t1")
    second = node_status(facts(), first, "t2")
    assert {c["lastTransitionTime"] for c in second["conditions"]} == {"t1"}
    assert not differs(first, second)
    down = node_status(facts(not_ready="container runtime is down"), second, "t3")
    ready = next(c for c in down["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["lastTransitionTime"]) == ("False", "KubeletNotReady", "t3")
    assert differs(second, down)


def test_resources_of_others_stay_and_become_allocatable():
    old = {"capacity": {"cpu": "1", "example.com/dongle": "3"}, "allocatable": {"cpu": "1"}}
    status = node_status(facts(), old, "now")
    assert (status["capacity"]["example.com/dongle"], status["allocatable"]["example.com/dongle"]) == ("3", "3")
    assert status["capacity"]["cpu"] == "2"
