"""What may become of a signing request."""

from typing import Any

import pytest

from apimachinery.apis.certificates.certificate_signing_request import validate_update

Obj = dict[str, Any]


def _request(*conditions: tuple[str, str], certificate: str = "") -> Obj:
    status: Obj = {"conditions": [{"type": kind, "status": status} for kind, status in conditions]}
    return {"spec": {"request": "x"}, "status": {**status, **({"certificate": certificate} if certificate else {})}}


def _problems(new: Obj, old: Obj) -> list[str]:
    return [str(error) for error in validate_update(new, old)]


def test_a_condition_of_ones_own_and_an_approval_pass() -> None:
    assert _problems(_request(("Mine", "False"), ("Approved", "True")), _request(("Mine", "False"))) == []


@pytest.mark.parametrize(
    ("new", "old", "told"),
    [
        (_request(("Approved", "False")), _request(), 'status.conditions[0].status: Unsupported value: "False"'),
        (_request(("Approved", "True"), ("Denied", "True")), _request(), "mutually exclusive"),
        (_request(("A", "True"), ("A", "True")), _request(), 'status.conditions[1].type: Duplicate value: "A"'),
        (_request(), _request(("Denied", "True")), 'updates may not remove a condition of type "Denied"'),
        (_request(certificate="b"), _request(certificate="a"), "updates may not set certificate content"),
    ],
)
def test_a_decision_cannot_be_taken_back(new: Obj, old: Obj, told: str) -> None:
    problems = _problems(new, old)
    assert len(problems) == 1
    assert told in problems[0]
