import pytest

from apiserver.admission.cel import CompileError, EvaluationError, compile_expression
from apiserver.admission.cel_authorizer import authorizer_value
from apiserver.admission.cel_source import rewrite
from apiserver.authentication.user import UserInfo
from apiserver.authorization.attributes import Decision

OBJECT = {
    "metadata": {"name": "x", "labels": {"a": "b"}},
    "spec": {"replicas": 3, "list": [3, 1, 2], "m": {"k": 1}, "memory": "1Gi", "items": [{"n": "a"}, {"n": "b"}]},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("self.spec.replicas > 2", True),
        ("self.?spec.x.orValue(7)", 7),
        ("self.?spec.?replicas.orValue(7)", 3),
        ("self.spec.list[?0].orValue(9) + self.spec.list[?7].orValue(9)", 12),
        ("self.?spec.replicas.optMap(r, r * 2).orValue(0)", 6),
        ("self.?spec.none.optMap(r, r * 2).orValue(0)", 0),
        ("cel.bind(x, self.spec.replicas, x + x)", 6),
        ("self.spec.m.all(k, v, k == 'k' && v == 1)", True),
        ("self.spec.list.exists(i, v, i == 0 && v == 3)", True),
        ("self.spec.list.transformList(i, v, i + v)", [3, 2, 4]),
        ("self.spec.m.transformMap(k, v, v + 1)", {"k": 2}),
        ("Object{spec: Object.spec{replicas: 1337}}", {"spec": {"replicas": 1337}}),
        ('JSONPatch{op: "add", path: "/x", value: {"a": 1}}', {"op": "add", "path": "/x", "value": {"a": 1}}),
        ("[JSONPatch{op: 'test', path: '/a', value: self.spec.replicas}]", [{"op": "test", "path": "/a", "value": 3}]),
        ('quantity(self.spec.memory).isLessThan(quantity("2Gi"))', True),
        ('quantity("1500m").asApproximateFloat()', 1.5),
        ('isQuantity("x")', False),
        ('url("https://h:8/p?q=1").getHost()', "h:8"),
        ('ip("10.0.0.1").family()', 4),
        ('cidr("10.0.0.0/8").containsIP("10.1.1.1")', True),
        ('"a,b".split(",").join("-").upperAscii()', "A-B"),
        ('"%s is %d".format(["a", 3])', "a is 3"),
        ("self.spec.list.sort()", [1, 2, 3]),
        ("self.spec.list.isSorted()", False),
        ("self.spec.items.sortBy(i, i.n).map(i, i.n)", ["a", "b"]),
        ('semver("1.2.3").isLessThan(semver("1.10.0"))', True),
        ("sets.contains(self.spec.list, [1])", True),
        ('!format.dns1123Label().validate("abc").hasValue()', True),
        ("has(self.spec.x) ? 1 : 2", 2),
        ("'a' in self.metadata.labels", True),
        ("{'a': 1}['a']", 1),
        ("self.spec.items.map(i, {'n': i.n})", [{"n": "a"}, {"n": "b"}]),
    ],
)
def test_expressions(source, value):
    assert compile_expression(source, {"self"}).evaluate({"self": OBJECT}) == value


def test_errors_are_worded():
    with pytest.raises(CompileError, match="undeclared reference to 'nope'"):
        compile_expression("nope.x == 1", {"self"})
    with pytest.raises(CompileError, match="undeclared reference to 'frobnicate'"):
        compile_expression("self.frobnicate()", {"self"})
    with pytest.raises(CompileError, match="Syntax error"):
        compile_expression("self.spec +", {"self"})
    with pytest.raises(CompileError):
        compile_expression("", {"self"})
    with pytest.raises(EvaluationError, match="no such key: x"):
        compile_expression("self.spec.x", {"self"}).evaluate({"self": OBJECT})
    with pytest.raises(EvaluationError, match="no such overload"):
        compile_expression("self.spec.replicas + 'a'", {"self"}).evaluate({"self": OBJECT})


def test_authorizer():
    asked = []

    class Authorizer:
        def authorize(self, attrs):
            asked.append(attrs)
            return Decision(attrs.resource == "pods", "why")

    source = "authorizer.group('').resource('pods').namespace('d').check('create').allowed()"
    with authorizer_value(Authorizer(), UserInfo("joe")) as value:
        assert compile_expression(source, {"authorizer"}).evaluate({"authorizer": value}) is True
    assert (asked[0].verb, asked[0].namespace, asked[0].user.name) == ("create", "d", "joe")


def test_plain_sources_stay_as_they_are():
    assert rewrite("self.a < 5 && self.b in [1]") == "self.a < 5 && self.b in [1]"


@pytest.mark.parametrize(
    "source", ["1" + "+1" * 20_000, "self" + ".a" * 20_000, "[" * 3_000, "(" * 5_000, "a{" * 3_000]
)
def test_hostile_expressions_are_refused(source):
    with pytest.raises(CompileError):
        compile_expression(source, {"self"})


def test_nested_comprehensions_have_a_budget():
    expression = compile_expression("self.a.all(x, self.a.all(y, self.a.all(z, x + y + z >= 0)))", {"self"})
    assert expression.evaluate({"self": {"a": list(range(20))}}) is True
    with pytest.raises(EvaluationError, match="cost limit exceeded"):
        expression.evaluate({"self": {"a": list(range(1000))}})
