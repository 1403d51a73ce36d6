import pytest

from cri.oci_spec import clamps


def host(*names: str, adj: int = 0, **rlimits: int) -> clamps.HostFacts:
    return clamps.HostFacts(machine="x86_64", bounding=frozenset(names), oom_score_adj=adj, rlimits=rlimits)


@pytest.mark.parametrize(
    ("asked", "own", "powerful", "expected"),
    [
        (-998, 0, False, 0),
        (-998, -500, False, -500),
        (500, 0, False, 500),
        (-998, 0, True, -998),
        (5000, 0, True, 1000),
    ],
)
def test_oom_score_adj_is_bent_to_what_may_be_set(asked: int, own: int, powerful: bool, expected: int) -> None:
    names = ("CAP_SYS_RESOURCE",) if powerful else ()
    assert clamps.oom_score_adj(asked, host(*names, adj=own)) == expected


@pytest.mark.parametrize(
    ("soft", "hard", "own", "expected"),
    [
        (10, 20, 15, (10, 15)),
        (18, 20, 15, (15, 15)),
        (-1, -1, 15, (15, 15)),
        (10, 20, -1, (10, 20)),
        (10, 12, 15, (10, 12)),
    ],
)
def test_rlimits_stay_below_our_own(soft: int, hard: int, own: int, expected: tuple[int, int]) -> None:
    assert clamps.rlimit("RLIMIT_NOFILE", soft, hard, host(RLIMIT_NOFILE=own)) == expected
