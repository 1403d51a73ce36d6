import pytest

from apiserver.apiextensions import cel_rules, structural, validation
from apiserver.apiextensions.crd import accept_names, new_status

SCHEMA = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"},
                "replicas": {"type": "integer", "minimum": 1, "default": 2},
                "ratio": {"type": "number"},
                "port": {"x-kubernetes-int-or-string": True},
                "mode": {"type": "string", "enum": ["a", "b"]},
                "maybe": {"type": "string", "nullable": True},
                "nested": {
                    "type": "object",
                    "default": {},
                    "properties": {"deep": {"type": "string", "default": "x"}},
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                "items": {
                    "type": "array",
                    "maxItems": 3,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["key"],
                    "items": {
                        "type": "object",
                        "properties": {"key": {"type": "string"}, "size": {"type": "integer", "default": 1}},
                    },
                },
                "template": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {}},
                "when": {"type": "string", "format": "date-time"},
            },
        },
    },
}


def obj(**spec):
    return {"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "x"}, "spec": {"name": "abc", **spec}}


def problems(**spec):
    return [str(problem) for problem in validation.validate_root(obj(**spec), SCHEMA)]


def test_pruning():
    node = structural.compile_schema(SCHEMA)
    template = {"apiVersion": "v1", "kind": "P", "metadata": {"name": "a", "junk": 1}, "junk": 1}
    given = obj(junk=1, free={"any": {"thing": 1}}, map={"a": 1}, items=[{"key": "k", "junk": 1}], template=template)
    given["junk"] = 1
    pruned = structural.prune(given, node)
    assert set(pruned) == {"apiVersion", "kind", "metadata", "spec"}
    assert pruned["spec"] == {
        "name": "abc",
        "free": {"any": {"thing": 1}},
        "map": {"a": 1},
        "items": [{"key": "k"}],
        "template": {"apiVersion": "v1", "kind": "P", "metadata": {"name": "a"}},
    }


def test_nulls_where_none_is_allowed_are_nothing():
    node = structural.compile_schema(SCHEMA)
    given = obj(maybe=None, ratio=None, map={"a": None, "b": 1}, items=[{"key": None}], free={"a": None}, replicas=None)
    assert structural.prune(given, node)["spec"] == {
        "name": "abc",
        "maybe": None,
        "map": {"b": 1},
        "items": [{}],
        "free": {"a": None},
        "replicas": None,
    }


def test_embedded_objects_have_an_identity():
    assert problems(template={"apiVersion": "v1", "metadata": {"name": 5}}) == [
        "spec.template.kind: Required value: must not be empty",
        'spec.template.metadata: Invalid value: {"name":5}: json: cannot unmarshal number into Go struct field '
        "ObjectMeta.name of type string",
    ]


def test_defaults():
    node = structural.compile_schema(SCHEMA)
    given = obj(items=[{"key": "a"}], replicas=None, maybe=None)
    structural.default(given, node)
    assert given["spec"] == {
        "name": "abc",
        "items": [{"key": "a", "size": 1}],
        "replicas": 2,
        "maybe": None,
        "nested": {"deep": "x"},
    }


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"replicas": 0},
            "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1",
        ),
        (
            {"replicas": "1"},
            'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
        ),
        ({"name": "abcdef"}, "spec.name: Too long: may not be more than 5 bytes"),
        ({"name": "A"}, "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ({"mode": "c"}, 'spec.mode: Unsupported value: "c": supported values: "a", "b"'),
        ({"items": [{"key": "a"}, {"key": "a"}]}, 'spec.items[1]: Duplicate value: {"key":"a"}'),
        (
            {"map": {"a": "b"}},
            'spec.map.a: Invalid value: "string": spec.map.a in body must be of type integer: "string"',
        ),
        ({"when": "x"}, 'spec.when: Invalid value: "x": spec.when in body must be of type date-time: "x"'),
        ({"items": [{"key": str(i)} for i in range(4)]}, "spec.items: Too many: 4: must have at most 3 items"),
    ],
)
def test_validation_wording(spec, told):
    assert problems(**spec) == [told]


def test_valid_objects_pass():
    assert problems(port="http", ratio=1, maybe=None, when="2020-01-01T00:00:00Z") == []
    assert problems(port=80, ratio=1.5) == []
    assert [str(p) for p in validation.validate_root({"spec": {}}, SCHEMA)] == ["spec.name: Required value"]


RULES = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "min above max", "fieldPath": ".min"},
                {"rule": "self.ratio + 0.5 > 1.0", "messageExpression": "'ratio is ' + string(self.ratio)"},
                {"rule": "self.foo__dash__bar == 1 || self.__namespace__ == 'x'"},
            ],
            "properties": {
                "min": {"type": "integer"},
                "max": {"type": "integer"},
                "ratio": {"type": "number"},
                "foo-bar": {"type": "integer"},
                "namespace": {"type": "string"},
                "name": {
                    "type": "string",
                    "x-kubernetes-validations": [
                        {"rule": "self == oldSelf", "message": "fixed", "reason": "FieldValueForbidden"}
                    ],
                },
                "list": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": {
                        "type": "object",
                        "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}],
                        "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                    },
                },
            },
        }
    },
}


def test_cel_rules():
    node = cel_rules.compile_rules(RULES)

    def told(new, old=None):
        return [str(one) for one in cel_rules.check({"spec": new}, {"spec": old} if old else None, node).errors]

    good = {"min": 1, "max": 2, "ratio": 1, "foo-bar": 1, "namespace": "x", "name": "n"}
    assert told(good) == []
    assert told({**good, "min": 3, "ratio": 0}) == [
        'spec.min: Invalid value: "object": min above max',
        'spec: Invalid value: "object": ratio is 0',
    ]
    assert told({**good, "foo-bar": 2, "namespace": "y"})[0].endswith(
        "failed rule: self.foo__dash__bar == 1 || self.__namespace__ == 'x'"
    )
    assert told({**good, "name": "m"}, good) == ["spec.name: Forbidden: fixed"]
    old = {**good, "list": [{"k": "a", "v": 5}]}
    assert told({**good, "list": [{"k": "b", "v": 1}, {"k": "a", "v": 4}]}, old) == [
        'spec.list[1]: Invalid value: "object": failed rule: self.v >= oldSelf.v'
    ]
    assert told({"ratio": 1, "foo-bar": 1, "namespace": "x"}) == [
        'spec: Invalid value: "object": no such key: min evaluating rule: min above max'
    ]


RATCHETED = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 5},
        "plain": {"type": "array", "items": {"type": "string", "maxLength": 2}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 2}},
        "map": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "required": ["v"],
                "properties": {"k": {"type": "string"}, "v": {"type": "integer", "maximum": 1}},
            },
        },
        "either": {"type": "object", "properties": {"a": {"type": "integer"}}, "anyOf": [{"required": ["a"]}]},
    },
}


@pytest.mark.parametrize(
    ("new", "old", "fields"),
    [
        ({"size": 1}, {"size": 1}, []),
        ({"size": 2}, {"size": 1}, ["size"]),
        ({"size": 1, "plain": ["abc"]}, {"size": 1}, ["plain[0]"]),
        # Items of lists without a type are compared by position, those of sets only as a whole.
        ({"plain": ["abc", "d"]}, {"plain": ["abc", "e"]}, []),
        ({"plain": ["d", "abc"]}, {"plain": ["abc", "d"]}, ["plain[1]"]),
        ({"set": ["abc"], "size": 5}, {"set": ["abc"]}, []),
        ({"set": ["abc", "d"]}, {"set": ["abc"]}, ["set[0]"]),
        ({"map": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]}, {"map": [{"k": "b", "v": 2}]}, []),
        ({"map": [{"k": "a", "v": 2}]}, {"map": [{"k": "b", "v": 2}]}, ["map[0].v"]),
        ({"map": [{"k": "a"}], "size": 5}, {"map": [{"k": "a"}]}, []),
        ({"either": {}, "size": 5}, {"either": {}}, []),
        ({"set": ["a", "a"]}, {"set": ["b", "b"]}, []),
        ({"set": ["a", "a"]}, {"set": ["b"]}, ["set[1]"]),
    ],
)
def test_what_was_invalid_and_is_not_touched_stays_allowed(new, old, fields):
    found = validation.validate_root(new, RATCHETED, old)
    assert sorted({problem.field for problem in found}) == fields


RATCHETED_RULES = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 5", "message": "small"}]},
        "b": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > oldSelf"}]},
        "c": {
            "type": "integer",
            "x-kubernetes-validations": [
                {"rule": "oldSelf.hasValue() || self < 3", "message": "starts low", "optionalOldSelf": True}
            ],
        },
        "d": {
            "type": "array",
            "items": {
                "type": "string",
                "x-kubernetes-validations": [{"rule": "self != 'x'"}, {"rule": "oldSelf != ''"}],
            },
        },
        "e": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]},
        },
        "f": {"type": "integer", "allOf": [{"x-kubernetes-validations": [{"rule": "self > 5", "message": "every"}]}]},
    },
}


@pytest.mark.parametrize(
    ("new", "old", "errors", "warnings"),
    [
        ({"a": 1}, None, ["small"], []),
        ({"a": 1, "b": 1}, {"a": 1}, [], ["small"]),
        ({"a": 2}, {"a": 1}, ["small"], []),
        ({"b": 1}, {"b": 1}, ["failed rule: self > oldSelf"], []),
        ({"b": 1}, {}, [], []),
        ({"c": 3}, None, ["starts low"], []),
        ({"c": 3}, {}, ["starts low"], []),
        ({"c": 3}, {"c": 1}, [], []),
        ({"d": ["x", "y"]}, {"d": ["x"]}, [], ["failed rule: self != 'x'"]),
        ({"d": ["y", "x"]}, {"d": ["x", "y"]}, ["failed rule: self != 'x'"], []),
        ({"e": {"k": 1}}, {"e": {"k": 2}}, [], []),
        ({"f": 1}, {"f": 1, "a": 9}, ["every"], []),
    ],
)
def test_rules_on_unchanged_values_only_warn(new, old, errors, warnings):
    found = cel_rules.check(new, old, cel_rules.compile_rules(RATCHETED_RULES))
    assert [problem.detail for problem in found.errors] == errors
    assert [
        text.split(": ", 2)[2].removeprefix('"integer": ').removeprefix('"string": ') for text in found.warnings
    ] == (warnings)


def test_rules_have_a_budget():
    rule = {"rule": "self.all(x, self.all(y, x == y))", "message": "alike"}
    schema = {"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": [rule, {"rule": "false"}]}
    node = cel_rules.compile_rules({"type": "object", "properties": {"a": schema, "b": schema}})
    assert [str(problem) for problem in cel_rules.check({"a": [1] * 725, "b": [1]}, None, node).errors] == [
        "a: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further validation rules will "
        "be run due to call cost exceeds limit for rule: alike"
    ]
    (problem,) = cel_rules.check({"a": [1], "b": [1]}, None, node, seconds=0).errors
    assert problem.detail == (
        "validation failed due to running out of cost budget, no further validation rules will be run"
    )


@pytest.mark.parametrize(
    ("annotation", "status", "message"),
    [
        ("https://github.com/x/pull/1", "True", "approved in https://github.com/x/pull/1"),
        ("unapproved, an experiment", "False", 'not approved: "unapproved, an experiment"'),
    ],
)
def test_groups_of_the_project_tell_of_their_approval(annotation, status, message):
    names = {"kind": "A", "plural": "as"}
    definition = {
        "metadata": {"name": "as.x.k8s.io", "annotations": {"api-approved.kubernetes.io": annotation}},
        "spec": {"group": "x.k8s.io", "names": names},
    }
    told = {one["type"]: one for one in new_status(definition, [], "2020-01-01T00:00:00Z")["conditions"]}
    condition = told["KubernetesAPIApprovalPolicyConformant"]
    assert (condition["status"], condition["message"]) == (status, message)
    definition["spec"]["group"] = "x-k8s.io"
    assert len(new_status(definition, [], "2020-01-01T00:00:00Z")["conditions"]) == 2


def test_names_in_conflict():
    def crd(name, kind, plural, accepted=None):
        names = {"kind": kind, "plural": plural}
        status = {"acceptedNames": accepted} if accepted else {}
        return {"metadata": {"name": name}, "spec": {"group": "g", "names": names}, "status": status}

    first = crd("as.g", "A", "as", {"kind": "A", "plural": "as", "singular": "a", "listKind": "AList"})
    accepted, reason, _ = accept_names(crd("bs.g", "B", "bs"), [first])
    assert (accepted["plural"], reason) == ("bs", "NoConflicts")
    _, reason, message = accept_names(crd("cs.g", "A", "cs"), [first])
    assert (reason, message) == ("ListKindConflict", '"AList" is already in use')
