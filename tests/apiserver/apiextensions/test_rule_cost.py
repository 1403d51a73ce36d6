"""The first are upstream's own expectations (apiextensions-apiserver, schema/cel/compilation_test.go)."""

import pytest

from apiserver.admission import cel_compiler, cel_environment
from apiserver.apiextensions.cel_rules import escape
from apiserver.apiextensions.rule_cost import UNBOUNDED, most_expensive
from apiserver.apiextensions.rule_types import Types, spelt

NUMBER, BOOLEAN, TEXT = {"type": "number"}, {"type": "boolean"}, {"type": "string"}


def array(items, most=None):
    return {"type": "array", "items": items, **({} if most is None else {"maxItems": most})}


def entries(items, most=None):
    return {"type": "object", "additionalProperties": items, **({} if most is None else {"maxProperties": most})}


SHORT = {"type": "string", "maxLength": 10}
ITEMS = {"type": "array", "maxItems": 4, "items": {"type": "object", "properties": {"a": SHORT}}}


@pytest.mark.parametrize(
    "rule",
    [
        "self.?a.orValue('').contains('xxxxx')",
        "self.?a.hasValue() && self.?a.value().contains('xxxxx')",
        "self.items.filter(i, has(i.a)).all(i, i.a.contains('xxxxx'))",
        "self.items[?0].a.orValue('').contains('xxxxx')",
        "(has(self.a) ? self.a : '').contains('xxxxx')",
        "self.?items.optMap(x, x.all(i, i.a.contains('xxxxx'))).orValue(true)",
        "optional.of(self.a).value().contains('xxxxx')",
        "string(self.n).contains(self.a)",
        "url(self.a).getHost().contains(self.a)",
        "self.a.charAt(0).matches('[a-z]') && self.a.find('[0-9]+').contains(self.a)",
    ],
)
def test_sizes_are_not_lost_on_the_way(rule):
    schema = {"type": "object", "properties": {"a": SHORT, "items": ITEMS, "n": {"type": "integer"}}}
    types = Types(schema, escape)
    environment = cel_environment.checking({"self": cel_environment.type_of(spelt(types.root))}, types.pool())
    assert most_expensive(cel_compiler.check(environment, rule), {"self": types.root}) < 300


@pytest.mark.parametrize(
    ("schema", "rule", "cost"),
    [
        (array(NUMBER), "self.all(x, true)", 4718591),
        (array(NUMBER, 1000), "self.all(x, true)", 3002),
        (array(BOOLEAN), "self.all(x, true)", 1887437),
        (entries(NUMBER, 1000), "self.all(x, true)", 3002),
        (TEXT, "self.contains('test')", 314574),
        ({**TEXT, "maxLength": 10}, "self.contains('test')", 2),
        (TEXT, "self == 'abcdefghijk'", 3),
        (array(TEXT, 10), "self.exists(x, x.contains('a'))", 10 * (3 + 1 + 1 + 314573) + 2),
        (NUMBER, "self > 1.0 && self < 2.0", 4),
        (array(NUMBER, 10), "1.0 in self", 11),
        (array(NUMBER, 10), "[1, 2].size() == 2", 12),
        ({"type": "object", "properties": {"a": NUMBER}}, "has(self.a) ? self.a > 1.0 : self.a < 1.0", 4),
        ({"type": "object", "properties": {"a": TEXT}}, "cel.bind(x, self.a, x.contains('test'))", 10 + 2 + 1 + 314573),
        (array(NUMBER, 10), "self.map(x, x * 2.0).all(x, true)", (1 + 10 + 10 * 14 + 1) + 10 * 3 + 1),
        ({**TEXT, "maxLength": 10}, "(self + self).startsWith(self + self)", 10),
        (array(TEXT), "self.all(a, self.all(b, self.all(c, self.all(d, true))))", UNBOUNDED),
    ],
)
def test_costs(schema, rule, cost):
    types = Types(schema, escape)
    assert types.root is not None
    environment = cel_environment.checking({"self": cel_environment.type_of(spelt(types.root))}, types.pool())
    assert most_expensive(cel_compiler.check(environment, rule), {"self": types.root}) == cost
