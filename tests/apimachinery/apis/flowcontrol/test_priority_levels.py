"""What is wrong with a priority level, in upstream's words."""

import pytest

from apimachinery.apis.flowcontrol.priority_levels import apply_defaults, validate

QUEUING = {"queues": 8, "handSize": 2, "queueLengthLimit": 5}


def level(name="mine", response=None, **limited):
    found = {"limitResponse": response or {"type": "Reject"}, **limited}
    obj = {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": found}}
    apply_defaults(obj)
    return obj


def queue(**more):
    return level(response={"type": "Queue", "queuing": {**QUEUING, **more}})


def exempt(name="exempt", **spec):
    return {"metadata": {"name": name}, "spec": {"type": "Exempt", **spec}}


def told(obj):
    return [f"{error.field}: {error.body()}" for error in validate(obj)]


def test_nothing_is_wrong():
    for obj in (level(), queue(), exempt(), exempt(exempt={"nominalConcurrencyShares": 5, "lendablePercent": 50})):
        assert told(obj) == []


@pytest.mark.parametrize(
    ("obj", "field", "detail"),
    [
        (exempt("other"), "spec.type", "type must be 'Exempt' if and only if name is 'exempt'"),
        (level("exempt"), "spec.type", "type must be 'Exempt' if and only if name is 'exempt'"),
        (exempt(limited={}), "spec.limited", "must be nil if the type is not Limited"),
        (
            exempt(exempt={"lendablePercent": 101}),
            "spec.exempt.lendablePercent",
            "must be between 0 and 100, inclusive",
        ),
        (level(nominalConcurrencyShares=-1), "spec.limited.nominalConcurrencyShares", "must be a non-negative integer"),
        (level(lendablePercent=-1), "spec.limited.lendablePercent", "must be between 0 and 100, inclusive"),
        (level(borrowingLimitPercent=-1), "spec.limited.borrowingLimitPercent", "must be a non-negative integer"),
        (level(response={"type": "x"}), "spec.limited.limitResponse.type", "supported values"),
        (level(response={"type": "Queue"}), "spec.limited.limitResponse.queuing", "must not be empty if"),
        (
            level(response={"type": "Reject", "queuing": QUEUING}),
            "spec.limited.limitResponse.queuing",
            "must be nil if limited.limitResponse.type is not Limited",
        ),
        (queue(queues=-1), "spec.limited.limitResponse.queuing.queues", "must be positive"),
        (queue(queues=10_000_001), "spec.limited.limitResponse.queuing.queues", "must not be greater than 10000000"),
        (queue(handSize=9), "spec.limited.limitResponse.queuing.handSize", "should not be greater than queues (8)"),
        (queue(queueLengthLimit=-5), "spec.limited.limitResponse.queuing.queueLengthLimit", "must be positive"),
    ],
)
def test_what_is_wrong(obj, field, detail):
    (found,) = told(obj)
    assert found.startswith(f"{field}: ")
    assert detail in found
