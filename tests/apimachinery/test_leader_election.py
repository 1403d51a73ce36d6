import pytest

from apimachinery.controller.leader_election import Election, claimed, seconds_held

ONE = Election("kcm", "kube-system", "one")
NOW, THEN = "2026-01-01T12:00:00.000000Z", "2026-01-01T11:00:00.000000Z"


def test_a_new_lease_has_no_transitions():
    assert claimed({}, ONE, NOW) == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "acquireTime": NOW,
        "renewTime": NOW,
        "leaseTransitions": 0,
    }


def test_renewing_moves_only_the_renewal():
    old = {**claimed({}, ONE, THEN), "leaseTransitions": 4, "strategy": "kept"}
    made = claimed(old, ONE, NOW)
    assert (made["acquireTime"], made["renewTime"], made["leaseTransitions"]) == (THEN, NOW, 4)
    assert made["strategy"] == "kept"


@pytest.mark.parametrize("holder", ["two", ""])
def test_taking_over_counts_as_a_transition(holder):
    made = claimed({**claimed({}, ONE, THEN), "holderIdentity": holder}, ONE, NOW)
    assert (made["holderIdentity"], made["acquireTime"], made["leaseTransitions"]) == ("one", NOW, 1)


def test_a_lease_is_held_until_it_was_not_renewed_for_its_duration_by_the_own_clock():
    lease = {"holderIdentity": "two", "leaseDurationSeconds": 15, "renewTime": THEN}
    assert seconds_held(lease, 100.0, 110.0) == 5.0
    assert seconds_held(lease, 100.0, 115.0) == 0.0
    assert seconds_held({**lease, "holderIdentity": ""}, 100.0, 100.0) == 0.0


@pytest.mark.parametrize(
    ("lease", "renew", "retry", "wrong"),
    [(10, 10, 2, "leaseDuration must be greater"), (15, 2, 2, "renewDeadline must be greater")],
)
def test_times_that_would_let_two_lead_are_refused(lease, renew, retry, wrong):
    with pytest.raises(ValueError, match=wrong):
        Election("x", "y", "z", lease, renew, retry)
