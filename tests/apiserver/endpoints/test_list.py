"""Versions of lists: at least, exactly, not yet there, no longer there; pages that stay what they were."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Api, config_map

pytestmark = pytest.mark.live


def _names(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [item["metadata"]["name"] for item in answer[1]["items"]]


def test_an_exact_version_shows_what_was_then(api: Api, ns: str) -> None:
    path = f"{ns}/configmaps"
    first = api.json("POST", path, config_map("a"))[1]["metadata"]["resourceVersion"]
    api.json("POST", path, config_map("b"))
    api.json("DELETE", f"{path}/a")
    then = api.json("GET", f"{path}?resourceVersion={first}&resourceVersionMatch=Exact")
    assert (_names(then), then[1]["metadata"]["resourceVersion"]) == (["a"], first)
    for query in (
        "",
        "?resourceVersion=0",
        f"?resourceVersion={first}",
        "?resourceVersionMatch=NotOlderThan&resourceVersion=1",
    ):
        assert _names(api.json("GET", path + query)) == ["b"]
    page = api.json("GET", f"{path}?resourceVersion={first}&resourceVersionMatch=Exact&limit=1")
    assert _names(page) == ["a"]


@pytest.mark.parametrize(
    ("query", "code", "reason", "told"),
    [
        (
            "resourceVersionMatch=Exact",
            422,
            "Invalid",
            "resourceVersionMatch is forbidden unless resourceVersion is prov",
        ),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422, "Invalid", 'is forbidden for resourceVersion "0"'),
        (
            "resourceVersion=1&resourceVersionMatch=Foo",
            422,
            "Invalid",
            'Unsupported value: "Foo": supported values: "Exact"',
        ),
        ("resourceVersion=abc", 400, "BadRequest", 'strconv.ParseUint: parsing "abc": invalid syntax'),
        ("resourceVersion=999999999", 504, "Timeout", "Too large resource version: 999999999, current: "),
        ("continue=nonsense", 400, "BadRequest", "continue key is not valid"),
        ("limit=x", 400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("sendInitialEvents=true", 422, "Invalid", "sendInitialEvents is forbidden for list"),
        ("watch=true&resourceVersion=1&resourceVersionMatch=Exact", 422, "Invalid", "is forbidden for watch unless"),
        (
            "labelSelector=a%3D%3D%3Db",
            400,
            "BadRequest",
            "unable to parse requirement: found '=', expected: identifier",
        ),
        ("fieldSelector=a", 400, "BadRequest", "invalid selector: 'a'; can't understand 'a'"),
    ],
)
def test_options_that_make_no_sense_are_told(api: Api, ns: str, query: str, code: int, reason: str, told: str) -> None:
    status, refused = api.json("GET", f"{ns}/configmaps?{query}")
    assert (status, refused["reason"], told in refused["message"]) == (code, reason, True), refused


def test_pages_are_of_one_version_whatever_happens_between(api: Api, ns: str) -> None:
    path = f"{ns}/configmaps"
    for name in "abcde":
        api.json("POST", path, config_map(name))
    first = api.json("GET", f"{path}?limit=2")
    meta = first[1]["metadata"]
    assert (_names(first), meta["remainingItemCount"]) == (["a", "b"], 3)
    api.json("DELETE", f"{path}/d")
    api.json("POST", path, config_map("f"))
    rest = api.json("GET", f"{path}?limit=2&continue={meta['continue']}")
    assert (_names(rest), rest[1]["metadata"]["remainingItemCount"]) == (["c", "d"], 1)
    assert rest[1]["metadata"]["resourceVersion"] == meta["resourceVersion"]
    last = api.json("GET", f"{path}?limit=2&continue={rest[1]['metadata']['continue']}")
    assert _names(last) == ["e"]
    assert not {"continue", "remainingItemCount"} & last[1]["metadata"].keys()
    status, refused = api.json("GET", f"{path}?limit=2&continue={meta['continue']}&resourceVersion=1")
    assert (status, refused["message"]) == (400, "specifying resource version is not allowed when using continue")
