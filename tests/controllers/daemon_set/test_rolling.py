import datetime

import pytest

from controllers.daemon_set.rolling import limits, replacement

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def pods(text):
    """Pods by node: `n1` has `O` old, `N` new; small letters are not ready, `-` is being deleted."""
    found = {}
    for number, letters in enumerate(text.split(), 1):
        found[f"n{number}"] = [
            {
                "metadata": {
                    "name": f"n{number}{letter}",
                    "labels": {"new": letter in "Nn"},
                    **({"deletionTimestamp": "x"} if letter == "-" else {}),
                },
                "status": {"conditions": [{"type": "Ready", "status": str(letter.isupper())}]},
            }
            for letter in letters
            if letter != "."
        ]
    return found


def live(**rolling):
    return {"metadata": {}, "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}


def step(one, text, wanted=None):
    there = pods(text)
    found = replacement(one, there, wanted or list(there), lambda pod: pod["metadata"]["labels"]["new"], NOW)
    names = [f"-{pod['metadata']['name']}" for pod in found.delete]
    return " ".join([*names, *(f"+{node}" for node in found.create)])


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("O O O", 1, "-n1O"),
        ("O O O", "50%", "-n1O -n2O"),
        ("N O O", 1, "-n2O"),
        ("n O O", 1, ""),
        ("- O O", 1, ""),
        (". O O", 1, ""),
        ("n O O", 2, "-n2O"),
        ("o o O", 1, "-n1o -n2o -n3O"),
        ("n o O", 1, "-n2o"),
        ("ON O", 1, ""),
        ("OO O", 1, ""),
        ("N N", 1, ""),
    ],
)
def test_no_more_pods_are_away_than_max_unavailable(text, most, expected):
    assert step(live(maxUnavailable=most), text) == expected


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("O O O", 1, "+n1"),
        ("O O O", "50%", "+n1 +n2"),
        ("On O O", 1, ""),
        ("ON O O", 1, "-n1O +n2"),
        ("o o O", 1, "+n1 +n2 +n3"),
        ("On o O", 1, "+n2"),
        ("OO O", 1, ""),
        ("N N", 1, ""),
        (". N", 1, ""),
    ],
)
def test_a_surge_makes_the_new_pod_first(text, most, expected):
    assert step(live(maxSurge=most, maxUnavailable=0), text) == expected


def test_a_surge_goes_only_where_pods_belong():
    assert step(live(maxSurge=2, maxUnavailable=0), "O O", ["n2"]) == "+n2"


def test_limits_are_never_both_zero():
    assert limits(live(maxSurge=0, maxUnavailable=0), 5) == (0, 1)
    assert limits(live(), 5) == (0, 1)
    assert limits(live(maxUnavailable="30%"), 5) == (0, 2)
    assert limits({"spec": {"updateStrategy": {"type": "OnDelete"}}}, 5) == (0, 0)
