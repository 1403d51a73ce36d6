import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.errors import BadRequest
from apimachinery.patches import merge_patch, strategic_merge
from apimachinery.schema.tables import schema_for

DEPLOYMENT = schema_for("apps/v1", "Deployment")
POD = schema_for("v1", "Pod")


def merged(doc, patch, schema=POD):
    before = copy.deepcopy((doc, patch))
    made = strategic_merge.apply(doc, patch, schema)
    assert (doc, patch) == before
    return made


def names(pod):
    return [one["name"] for one in pod["spec"]["containers"]]


def test_items_are_merged_by_their_key_and_new_ones_come_first():
    doc = {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}}
    made = merged(doc, {"spec": {"containers": [{"name": "b", "image": "3"}, {"name": "c", "image": "4"}]}})
    assert made["spec"]["containers"] == [
        {"name": "a", "image": "1"},
        {"name": "b", "image": "3"},
        {"name": "c", "image": "4"},
    ]
    assert names(merged(doc, {"spec": {"containers": [{"name": "c"}]}})) == ["c", "a", "b"]


def test_an_item_is_deleted():
    doc = {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    assert names(merged(doc, {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})) == ["b"]


def test_a_list_is_replaced():
    doc = {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    assert names(merged(doc, {"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}})) == ["z"]


def test_a_map_is_replaced_or_emptied():
    doc = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert merged(doc, {"metadata": {"labels": {"c": "3", "$patch": "replace"}}}) == {
        "metadata": {"labels": {"c": "3"}}
    }
    assert merged(doc, {"metadata": {"labels": {"$patch": "delete"}}}) == {"metadata": {"labels": {}}}


def test_null_deletes_and_is_not_stored():
    doc = {"metadata": {"labels": {"a": "1"}}}
    assert merged(doc, {"metadata": {"labels": {"a": None}}}) == {"metadata": {"labels": {}}}
    assert merged({}, {"metadata": {"labels": {"a": None, "b": "1"}}}) == {"metadata": {"labels": {"b": "1"}}}


def test_primitive_lists_are_united_and_shrunk():
    doc = {"metadata": {"finalizers": ["a", "b"]}}
    assert sorted(merged(doc, {"metadata": {"finalizers": ["b", "c"]}})["metadata"]["finalizers"]) == ["a", "b", "c"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert merged(doc, patch) == {"metadata": {"finalizers": ["b"]}}


def test_atomic_lists_are_replaced():
    doc = {"spec": {"tolerations": [{"key": "a"}]}}
    assert merged(doc, {"spec": {"tolerations": [{"key": "b"}]}}) == {"spec": {"tolerations": [{"key": "b"}]}}


def test_retain_keys_drops_the_others():
    doc = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert merged(doc, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}
    with pytest.raises(BadRequest):
        merged(doc, {"spec": {"strategy": {"$retainKeys": [], "type": "x"}}}, DEPLOYMENT)


def test_the_order_of_items_is_set():
    doc = {"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}}
    order = [{"name": "c"}, {"name": "x"}, {"name": "a"}]
    patch = {"spec": {"$setElementOrder/containers": order, "containers": [{"name": "x"}]}}
    assert names(merged(doc, patch)) == ["b", "c", "x", "a"]


def test_order_without_items_only_sorts():
    doc = {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert names(merged(doc, patch)) == ["b", "a"]


@pytest.mark.parametrize(
    "patch",
    [
        {"$patch": "nonsense"},
        {"spec": {"containers": [{"image": "x"}]}},
        {"spec": {"containers": [{"name": "a", "$patch": "merge"}]}},
        {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "z"}]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
        [],
    ],
)
def test_malformed_patches_are_refused(patch):
    with pytest.raises(BadRequest):
        strategic_merge.apply({"spec": {"containers": [{"name": "a"}]}, "metadata": {"finalizers": ["a"]}}, patch, POD)


MAPS = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=10,
)
DOCS = st.dictionaries(st.sampled_from("abc"), MAPS, max_size=3)


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value if one is not None] if isinstance(value, list) else value


@settings(max_examples=200, deadline=None)
@given(DOCS, DOCS)
def test_a_merge_patch_settles_and_leaves_no_null_of_its_own(doc, patch):
    doc = without_nulls(doc)
    once = merge_patch.apply(doc, patch)
    assert merge_patch.apply(once, patch) == once
    assert merge_patch.apply(doc, {}) == doc


@settings(max_examples=200, deadline=None)
@given(DOCS, DOCS)
def test_without_a_schema_it_is_a_merge_patch(doc, patch):
    doc, patch = without_nulls(doc), without_nulls(patch)
    assert strategic_merge.apply(doc, patch, None) == merge_patch.apply(doc, patch)
