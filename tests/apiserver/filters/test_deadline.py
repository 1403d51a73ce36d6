"""`?timeout=` as upstream reads it."""

import pytest

from apimachinery.errors import BadRequest
from apiserver.filters.deadline import request_seconds


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("", 60),
        ("0", 60),
        ("0s", 60),
        ("-5s", 60),
        ("61s", 60),
        ("99999999999h", 60),
        ("5s", 5),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("500ms", 0.5),
        ("1m", 60),
        ("+10s500ms", 10.5),
    ],
)
def test_durations(asked, seconds):
    assert request_seconds(asked, 60) == seconds


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("5", 'time: missing unit in duration "5"'),
        ("x", 'time: invalid duration "x"'),
        ("5x", 'time: invalid duration "5x"'),
        ("1e5s", 'time: invalid duration "1e5s"'),
        ("\x00", "time: invalid duration"),
        ("1s" * 4000, "time: invalid duration"),
    ],
)
def test_what_is_no_duration(asked, why):
    with pytest.raises(BadRequest, match="invalid timeout specified in the request URL - ") as caught:
        request_seconds(asked, 60)
    assert why in caught.value.message
