import pytest

from apiserver.registry.json_path import JSONPathError, compile_path

OBJECT = {
    "spec": {"n": 3, "list": [1, 2, 3, 4], "a.b": "dotted"},
    "status": {
        "conditions": [
            {"type": "A", "status": "True", "weight": 1},
            {"type": "B", "status": "False", "weight": 10, "ok": True},
        ]
    },
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".spec.n", [3]),
        ("{.spec.n}", [3]),
        (".spec['a.b']", ["dotted"]),
        (r".spec.a\.b", ["dotted"]),
        (".spec.list[0]", [1]),
        (".spec.list[-1]", [4]),
        (".spec.list[-1:]", [4]),
        (".spec.list[:2]", [1, 2]),
        (".spec.list[0:4:2]", [1, 3]),
        (".spec.list[0,2]", [1, 3]),
        (".spec['n','a.b']", [3, "dotted"]),
        (".spec.list[*]", [1, 2, 3, 4]),
        ('.status.conditions[?(@.type=="B")].status', ["False"]),
        ('.status.conditions[?(@.type != "B")].status', ["True"]),
        (".status.conditions[?(@.weight > 9)].type", ["B"]),
        (".status.conditions[?(@.weight<=9)].type", ["A"]),
        (".status.conditions[?(@.ok)].type", ["B"]),
        (".status.conditions[?(@.ok==true)].type", ["B"]),
        ("..type", ["A", "B"]),
        (".status.*[*].type", ["A", "B"]),
        (".nothing.at.all", []),
    ],
)
def test_paths(path, values):
    assert compile_path(path)(OBJECT) == values


@pytest.mark.parametrize("path", [".a[", ".a[?(", "a b", ".a[x]", ".a[?(@.b==)]"])
def test_what_is_no_path(path):
    with pytest.raises(JSONPathError):
        compile_path(path)
