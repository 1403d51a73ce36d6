import pytest

from apimachinery.errors import BadRequest, Invalid
from apimachinery.patches import json_patch


def test_operations_are_applied_to_a_copy():
    doc = {"a": {"b": 1}, "l": [1]}
    ops = [{"op": "replace", "path": "/a/b", "value": 2}, {"op": "add", "path": "/l/-", "value": 3}]
    assert json_patch.apply(doc, ops) == {"a": {"b": 2}, "l": [1, 3]}
    assert doc == {"a": {"b": 1}, "l": [1]}


@pytest.mark.parametrize(
    "ops",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/x"}],
        [{"op": "replace", "path": "/x/y", "value": 1}],
        [{"op": "add", "path": "/l/7", "value": 1}],
        [{"op": "jump", "path": "/a"}],
        [{"path": "/a"}],
        [{"op": "add", "path": "/a/b/c", "value": 1}],
    ],
)
def test_what_does_not_fit_is_invalid(ops):
    with pytest.raises(Invalid) as caught:
        json_patch.apply({"a": 1, "l": []}, ops)
    assert caught.value.message.startswith("the server rejected our request due to an error in our request")


@pytest.mark.parametrize("ops", [{}, "x", [1]])
def test_no_patch_at_all_is_a_bad_request(ops):
    with pytest.raises(BadRequest):
        json_patch.apply({}, ops)
