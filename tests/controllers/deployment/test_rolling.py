import pytest

from controllers.deployment.rolling import limits, new_size, proportional_plan, scale_down_plan


def deployment(replicas, surge="25%", unavailable="25%", kind="RollingUpdate", there=0):
    rolling = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}} if kind == "RollingUpdate" else {}
    return {"spec": {"replicas": replicas, "strategy": {"type": kind, **rolling}}, "status": {"replicas": there}}


def sets(*sizes):
    """ReplicaSets, oldest first, as (replicas, available) or (replicas, available, max-replicas)."""
    return [
        {
            "metadata": {
                "name": f"s{number}",
                "creationTimestamp": f"2026-01-01T00:00:{number:02d}Z",
                "annotations": {"deployment.kubernetes.io/max-replicas": str(most[0])} if most else {},
            },
            "spec": {"replicas": replicas},
            "status": {"availableReplicas": available},
        }
        for number, (replicas, available, *most) in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (deployment(10), (3, 2)),
        (deployment(1), (1, 0)),
        (deployment(3, 0, 0), (0, 1)),
        (deployment(2, 1, 5), (1, 2)),
        (deployment(4, kind="Recreate"), (0, 0)),
    ],
)
def test_limits_are_rounded_so_that_something_can_always_be_done(one, expected):
    assert limits(one) == expected


@pytest.mark.parametrize(
    ("one", "sizes", "expected"),
    [
        (deployment(10, 3, 2), [(10, 10), (0, 0)], 3),
        (deployment(10, 3, 2), [(8, 8), (3, 0)], 5),
        (deployment(10, 3, 2), [(8, 8), (5, 0)], 5),
        (deployment(10, 3, 2), [(0, 0), (10, 10)], 10),
        (deployment(3, 1, 0), [(0, 0), (5, 5)], 3),
        (deployment(5, kind="Recreate"), [(0, 0), (0, 0)], 5),
    ],
)
def test_the_new_set_grows_as_far_as_the_surge_allows(one, sizes, expected):
    everything = sets(*sizes)
    assert new_size(one, everything[-1], everything) == expected


@pytest.mark.parametrize(
    ("one", "sizes", "expected"),
    [
        (deployment(10, 3, 2), [(10, 10), (3, 0)], {"s0": 8}),
        (deployment(10, 3, 2), [(8, 8), (5, 0)], {}),
        (deployment(10, 3, 2), [(8, 8), (5, 3)], {"s0": 5}),
        (deployment(10, 3, 2), [(5, 0), (5, 5), (3, 3)], {"s0": 0}),
        (deployment(10, 3, 2), [(10, 10), (10, 10)], {"s0": 0}),
        (deployment(4, 1, 0), [(4, 4), (1, 0)], {}),
        (deployment(4, 1, 0), [(4, 4), (1, 1)], {"s0": 3}),
    ],
)
def test_old_sets_shrink_as_far_as_availability_allows_broken_pods_first(one, sizes, expected):
    *old, new = sets(*sizes)
    assert scale_down_plan(one, new, old) == expected


@pytest.mark.parametrize(
    ("one", "sizes", "expected"),
    [
        # Upstream's conformance spec: 8 and 5 become 20 and 13.
        (deployment(30, 3, 2, there=13), [(8, 8, 13), (5, 0, 13)], {"s0": 20, "s1": 13}),
        (deployment(5, 3, 2, there=13), [(8, 8, 13), (5, 0, 13)], {"s0": 5, "s1": 3}),
        (deployment(0, 3, 2, there=13), [(8, 8, 13), (5, 0, 13)], {"s0": 0, "s1": 0}),
        (deployment(12, 0, 1, there=10), [(5, 5, 10), (5, 5, 10)], {"s0": 6, "s1": 6}),
        (deployment(11, 0, 1, there=10), [(5, 5, 10), (5, 5, 10)], {"s0": 5, "s1": 6}),
    ],
)
def test_in_the_middle_of_a_rollout_shares_stay(one, sizes, expected):
    assert proportional_plan(one, sets(*sizes)) == expected


def test_an_annotation_that_is_no_number_counts_as_none():
    odd = sets((8, 8), (5, 0))
    for one in odd:
        one["metadata"]["annotations"] = {"deployment.kubernetes.io/max-replicas": "many"}
    assert proportional_plan(deployment(30, 3, 2, there=13), odd) == {"s0": 20, "s1": 13}
