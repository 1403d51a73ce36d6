from kubelet.status.patch import status_patch


def condition(kind, status="True", **more):
    return {"type": kind, "status": status, "lastTransitionTime": "t", **more}


def test_no_difference_no_patch():
    status = {"phase": "Running", "conditions": [condition("Ready")]}
    assert status_patch(status, dict(status)) is None


def test_only_what_changed():
    old = {
        "phase": "Pending",
        "qosClass": "BestEffort",
        "conditions": [condition("Ready", "False", reason="X"), condition("A")],
    }
    new = {"phase": "Running", "qosClass": "BestEffort", "conditions": [condition("Ready"), condition("A")]}
    assert status_patch(old, new) == {"phase": "Running", "conditions": [{**condition("Ready"), "reason": None}]}


def test_conditions_that_ceased_are_deleted_and_addresses_replaced():
    old = {"podIPs": [{"ip": "1"}], "conditions": [condition("PodResizePending")], "message": "m"}
    new = {"podIPs": [{"ip": "2"}], "conditions": []}
    assert status_patch(old, new) == {
        "podIPs": [{"ip": "2"}, {"$patch": "replace"}],
        "conditions": [{"type": "PodResizePending", "$patch": "delete"}],
        "message": None,
    }
