import pytest

from controllers.replica_set import deletion_rank


def pod(name, *, node="n1", phase="Running", ready=True, since="10", made="10", cost=None, restarts=0, crowd=0):
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": f"2026-01-01T00:00:{since}Z"}
    notes = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost is not None else {}
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:{made}Z", "annotations": notes},
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": [condition], "containerStatuses": [{"restartCount": restarts}]},
    }, crowd


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("unassigned", node=""), pod("assigned", phase="Pending")),
        (pod("pending", phase="Pending"), pod("running", ready=False)),
        (pod("unready", ready=False), pod("ready", cost="-5")),
        (pod("cheap", cost="-5"), pod("usual", crowd=9)),
        (pod("usual"), pod("dear", cost="10", crowd=9)),
        (pod("crowded", crowd=2), pod("alone", since="50")),
        (pod("ready for less long", since="50"), pod("ready for longer", since="10", restarts=9)),
        (pod("restarted", restarts=3), pod("steady", made="50")),
        (pod("young", made="50"), pod("old")),
        (pod("odd cost", cost="much", crowd=1), pod("usual")),
    ],
)
def test_which_pod_goes_first(first, second):
    assert deletion_rank(*first) < deletion_rank(*second)
