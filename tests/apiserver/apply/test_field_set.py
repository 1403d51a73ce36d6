from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.apply.field_set import difference, intersection, ordered, path_text, paths, union

PATHS = st.frozensets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":"c"}']), min_size=1, max_size=3).map(tuple), max_size=6
)


def made(members):
    fields = {}
    for path in members:
        node = fields
        for depth, key in enumerate(path):
            if key not in node:
                node[key] = {"?": True}
            node = node[key]
            if depth == len(path) - 1:
                node["."] = {}
    return _cleaned(fields)


def _cleaned(node):
    children = {key: _cleaned(child) for key, child in node.items() if key not in (".", "?")}
    return {".": {}, **children} if "." in node and children else children


@settings(max_examples=300)
@given(PATHS, PATHS)
def test_operations_are_those_of_sets(left, right):
    one, two = made(left), made(right)
    assert set(paths(one)) == left
    assert set(paths(union(one, two))) == left | right
    assert set(paths(difference(one, two))) == left - right
    assert set(paths(intersection(one, two))) == left & right
    assert set(paths(ordered(one))) == left


def test_paths_read_as_upstream_shows_them():
    assert path_text(("f:spec", "f:containers", 'k:{"name":"c"}', "f:image")) == '.spec.containers[name="c"].image'
    assert path_text(("f:ports", 'k:{"port":80,"protocol":"TCP"}')) == '.ports[port=80,protocol="TCP"]'
    assert path_text(("f:finalizers", 'v:"x"')) == '.finalizers[="x"]'
