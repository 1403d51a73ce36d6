"""When a ServiceCIDR may go, and what its condition says."""

from controllers.service_cidr import blocks_deletion, condition, with_condition


def cidr(name, *cidrs):
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


def test_a_range_in_use_may_not_go_but_for_another_that_has_its_addresses():
    mine = cidr("mine", "10.0.0.0/24")
    assert not blocks_deletion(mine, [mine], [])
    assert not blocks_deletion(mine, [mine], ["10.0.1.1", "fd00::1"])
    assert blocks_deletion(mine, [mine], ["10.0.0.7"])
    assert not blocks_deletion(mine, [mine, cidr("larger", "10.0.0.0/16")], ["10.0.0.7"])
    assert not blocks_deletion(mine, [mine, cidr("same", "10.0.0.0/24")], ["10.0.0.7"])
    assert not blocks_deletion(mine, [mine, cidr("part", "10.0.0.0/28")], ["10.0.0.7"])
    assert blocks_deletion(mine, [mine, cidr("part", "10.0.0.0/28")], ["10.0.0.77"])


def test_both_families_of_a_range_are_looked_at():
    mine = cidr("mine", "10.0.0.0/24", "fd00::/112")
    assert blocks_deletion(mine, [mine, cidr("larger", "10.0.0.0/16")], ["fd00::7"])
    assert not blocks_deletion(mine, [mine, cidr("larger", "10.0.0.0/16", "fd00::/108")], ["fd00::7", "10.0.0.1"])


def test_a_condition_is_written_once_and_keeps_the_time_of_its_change():
    mine = cidr("mine", "10.0.0.0/24")
    ready = with_condition(mine, condition(ready=True, now="t1"))
    assert ready["status"]["conditions"] == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "",
            "message": "Kubernetes Service CIDR is ready",
            "lastTransitionTime": "t1",
        }
    ]
    assert with_condition(ready, condition(ready=True, now="t2")) is None
    ready["status"]["conditions"][0]["message"] = "Kubernetes default Service CIDR is ready"
    again = with_condition(ready, condition(ready=True, now="t2"))
    assert again["status"]["conditions"][0]["lastTransitionTime"] == "t1"
    held = with_condition(again, condition(ready=False, now="t3"))
    assert [(one["status"], one["reason"], one["lastTransitionTime"]) for one in held["status"]["conditions"]] == [
        ("False", "Terminating", "t3")
    ]
