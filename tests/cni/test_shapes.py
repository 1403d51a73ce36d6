import pytest

from cni import shapes
from cni.errors import CNIError

SHAPE = {"name*": str, "count": int, "on": bool, "list": [str], "parts": [{"id*": int, "more": {}}]}


@pytest.mark.parametrize(
    "document",
    [
        {"name": "n"},
        {"name": "", "count": None, "list": [], "unknown": [1, {"a": 2}]},
        {"name": "n", "count": 5, "on": False, "list": ["a"], "parts": [{"id": 0, "more": {"x": "y"}}]},
    ],
)
def test_passes(document):
    shapes.check(document, SHAPE)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "conf is not an object"),
        ({}, "conf.name is missing"),
        ({"name": None}, "conf.name is missing"),
        ({"name": 5}, "conf.name is not a string"),
        ({"name": "n", "count": "5"}, "conf.count is not an integer"),
        ({"name": "n", "count": True}, "conf.count is not an integer"),
        ({"name": "n", "count": 1.0}, "conf.count is not an integer"),
        ({"name": "n", "on": 1}, "conf.on is not a boolean"),
        ({"name": "n", "list": "ab"}, "conf.list is not a list"),
        ({"name": "n", "list": ["a", None]}, r"conf.list\[1\] is not a string"),
        ({"name": "n", "parts": [{"id": 1}, {}]}, r"conf.parts\[1\].id is missing"),
        ({"name": "n", "parts": [{"id": 1, "more": []}]}, r"conf.parts\[0\].more is not an object"),
    ],
)
def test_names_the_place(document, words):
    with pytest.raises(CNIError, match=words) as failure:
        shapes.check(document, SHAPE, "conf", 6)
    assert failure.value.code == 6
