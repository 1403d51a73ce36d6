"""The limits and their wording are upstream's, as its own validation tests have them."""

import pytest

from apimachinery.objects.field_path import FieldPath
from apiserver.apiextensions import rule_check

TEXT = {"type": "string"}


def of(**properties):
    return {"type": "object", "properties": properties}


def ruled(schema, *rules):
    return {**schema, "x-kubernetes-validations": [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]}


def told(schema):
    return [
        (problem.field.removeprefix("s."), problem.detail) for problem in rule_check.problems(schema, FieldPath("s"))
    ]


def told_of(properties, *rules):
    return [detail for _, detail in told(of(spec=ruled(of(**properties), *rules)))]


FIELDS = {
    "n": {"type": "integer"},
    "d": {"type": "number"},
    "s": TEXT,
    "namespace": TEXT,
    "foo-bar": TEXT,
    "when": {"type": "string", "format": "date-time"},
    "span": {"type": "string", "format": "duration"},
    "either": {"x-kubernetes-int-or-string": True},
    "list": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 9}},
    "nested": {"type": "array", "maxItems": 5, "items": {"type": "array", "maxItems": 5, "items": {"type": "integer"}}},
    "map": {"type": "object", "maxProperties": 5, "additionalProperties": of(x={"type": "integer"})},
    "Map": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "string", "maxLength": 5}},
    "fooBar": TEXT,
    "foo_bar": TEXT,
    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "unknown": {"x-kubernetes-preserve-unknown-fields": True},
}


@pytest.mark.parametrize(
    "rule",
    [
        "self.n > 1 && self.d < 2.0 && self.n < 1.5",
        "self.__namespace__ != self.foo__dash__bar",
        "self.when > timestamp('2020-01-01T00:00:00Z') && self.span < duration('1h')",
        "self.either == 1 || self.either == 'a'",
        "self.list.all(x, x.startsWith('a')) && self.list.isSorted()",
        "self.list.indexOf('a') == 1 && 'a'.indexOf('b') == 1",
        "self.nested.all(a, a.all(b, b > 1))",
        "self.map.all(k, self.map[k].x > 1) && self.map.all(k, v, v.x > 1) && self.Map['a'] == 'b'",
        "!has(self.n) || self.?n.orValue(1) == 1",
        "self == oldSelf && size(self.s) > 1",
        "cel.bind(x, self.n, x > 1)",
        "self.fooBar != self.foo_bar",
        "quantity(self.s).isLessThan(quantity('1')) && ip('10.0.0.1').family() == 4",
        "string(self.n) == '1' && string(ip('::1')) == ''",
    ],
)
def test_good_rules_pass(rule):
    assert told_of(FIELDS, rule) == []


@pytest.mark.parametrize(
    ("rule", "at", "what"),
    [
        ("self.z == 1", 5, "undefined field 'z'"),
        ("self.n == 'a'", 8, "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.n == 1.0", 8, "found no matching overload for '_==_' applied to '(int, double)'"),
        ("self.n.x", 7, "type 'int' does not support field selection"),
        ("self.open.x == 1", 10, "undefined field 'x'"),
        ("self.unknown == 1", 5, "undefined field 'unknown'"),
        ("self.map.all(k, self.map[k].y > 1)", 28, "undefined field 'y'"),
        ("self.metadata.name == 'a'", 5, "undefined field 'metadata'"),
        ("other == 1", 1, "undeclared reference to 'other' (in container '')"),
    ],
)
def test_rules_that_can_not_work_are_refused(rule, at, what):
    start = f"compilation failed: ERROR: <input>:1:{at}: {what}\n | {rule}\n | {'.' * (at - 1)}^"
    assert told_of(FIELDS, rule) == [start]


def test_names_that_only_differ_in_descriptors_are_all_there():
    entries = {"type": "object", "maxProperties": 2, "additionalProperties": of(x={"type": "integer"})}
    names = {"some": entries, "Some": entries, "SomeEntry": TEXT, "so_me": entries, "object1": TEXT}
    assert told_of(names, "self.some['a'].x == self.Some['a'].x && self.SomeEntry == self.object1") == []
    assert len(told_of(names, "self.SomeEntry == 1")) == 1


def test_the_root_and_embedded_objects_have_names():
    rules = ("self.metadata.name != '' && self.kind == 'x' && self.apiVersion != self.metadata.generateName",)
    embedded = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"metadata": {"type": "object"}},
    }
    assert told(ruled(of(inner=ruled(embedded, *rules)), *rules)) == []
    assert "undefined field 'labels'" in told(ruled(of(), "self.metadata.labels == {}"))[0][1]


def test_results_have_a_type():
    assert told_of(FIELDS, "self.n") == ["cel expression must evaluate to a bool"]
    rule = {"rule": "true", "messageExpression": "self.n"}
    assert told_of(FIELDS, rule) == ["messageExpression must evaluate to a string"]
    rule = {"rule": "true", "messageExpression": "self.z"}
    assert told_of(FIELDS, rule)[0].startswith(
        "messageExpression compilation failed: ERROR: <input>:1:5: undefined field"
    )


def test_syntax_errors_and_empty_rules():
    assert told_of(FIELDS, "self =")[0].startswith("compilation failed: ERROR: <input>:1:6: Syntax error:")
    assert told_of(FIELDS, " ") == ["rule is not specified"]


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({"message": " "}, "message must be non-empty if specified"),
        ({"message": "a\nb"}, "message must not contain line breaks"),
        ({"rule": "true\n&& true"}, "message must be specified if rule contains line breaks"),
        ({"messageExpression": " "}, "messageExpression must be non-empty if specified"),
        ({"reason": "Because"}, 'supported values: "FieldValueDuplicate", "FieldValueForbidden"'),
        ({"fieldPath": " "}, "fieldPath must be non-empty if specified"),
        ({"fieldPath": ".z"}, "fieldPath must be a valid path: does not refer to a valid field"),
        ({"fieldPath": "n"}, "fieldPath must be a valid path: expected [ or . but got: n"),
        ({"optionalOldSelf": True}, "may not be set if oldSelf is not used in rule"),
        (
            {"rule": "oldSelf.n == 1", "optionalOldSelf": True},
            "applied to '(optional_type(int), int)'\n | oldSelf.n == 1\n",
        ),
        ({"rule": "oldSelf.hasValue()"}, "found no matching overload for 'hasValue'"),
    ],
)
def test_what_stands_beside_a_rule(rule, what):
    (found,) = told_of(FIELDS, {"rule": "true", **rule})
    assert what in found


def test_what_may_stand_beside_a_rule():
    assert told_of(FIELDS, {"rule": "true", "fieldPath": ".map['a'].x", "reason": "FieldValueRequired"}) == []
    rule = "oldSelf.hasValue() || self.n < 3 && oldSelf.orValue(self).n == 1 && oldSelf.optMap(o, o.n).orValue(1) == 1"
    assert told_of(FIELDS, {"rule": rule, "optionalOldSelf": True}) == []


def test_old_values_must_be_known():
    within = "oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[a]"
    rule = "self == oldSelf"
    for kind in ({}, {"x-kubernetes-list-type": "set"}):
        schema = of(a={"type": "array", "maxItems": 2, **kind, "items": ruled(TEXT, rule)})
        assert told(schema) == [("properties[a].items.x-kubernetes-validations[0].rule", within)]
    atomic = {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"b": ruled(TEXT, rule)}}
    assert [detail for _, detail in told(of(a=atomic))] == [within]
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    items = {**of(k=ruled(TEXT, rule)), "required": ["k"]}
    assert told(of(a={"type": "array", "maxItems": 2, **keyed, "items": items})) == []


def test_rules_where_the_schema_tells_nothing_are_refused():
    ((_, detail),) = told(of(a=ruled({"x-kubernetes-preserve-unknown-fields": True}, "true")))
    assert detail == (
        "rule declared on schema that does not support validation rules type: '' "
        "x-kubernetes-preserve-unknown-fields: 'true'"
    )


ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings "
    "are declared)"
)


def array(items, **limits):
    return {"type": "array", "items": items, **limits}


@pytest.mark.parametrize(
    ("schema", "factor"),
    [
        (ruled(array(TEXT), "self.all(x, self.all(y, x == y))"), "more than 100x"),
        (ruled(array({"type": "integer"}), "self.all(x, x > 1)"), ""),
        (ruled(array({"type": "string", "maxLength": 20}, maxItems=100), "self.all(x, self.all(y, x == y))"), ""),
        (array(array(ruled({"type": "string"}, "self.matches('a|b')"))), "more than 100x"),
        (array(ruled(TEXT, "self.contains('keyword')")), "more than 100x"),
        (array(ruled({"type": "string", "maxLength": 10}, "self.contains('keyword')"), maxItems=1000), ""),
        (ruled(array(TEXT), "self.exists(x, x.contains('keyword'))"), "more than 100x"),
        (ruled(TEXT, "self.contains('keyword')"), ""),
        ({"type": "object", "additionalProperties": ruled(TEXT, "self.matches('a*b*c*')")}, "more than 100x"),
    ],
)
def test_rules_that_can_cost_too_much_are_refused(schema, factor):
    wanted = [f"estimated rule cost exceeds budget by factor of {factor} {ADVICE}"] if factor else []
    assert [detail for _, detail in told(of(a=schema)) if detail.startswith("estimated")] == wanted


def test_rules_that_cost_too_much_together_are_refused():
    schema = of(
        **{f"a{i}": array(ruled({"type": "string", "maxLength": 1000}, "self.contains('keyword')")) for i in range(3)}
    )
    details = [detail for _, detail in told(schema)]
    together = (
        "contributed to estimated rule & messageExpression cost total exceeding cost limit for entire OpenAPIv3 schema"
    )
    assert details.count(together) == 3
    assert details[-1].startswith(
        "x-kubernetes-validations estimated rule & messageExpression cost total for entire OpenAPIv3 schema exceeds budget"
    )
    assert told(schema)[-1][0] == "s"
