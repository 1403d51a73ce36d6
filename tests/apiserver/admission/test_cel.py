import pytest

from apiserver.admission.cel import CompileError, EvaluationError, compile_expression
from apiserver.admission.cel_authorizer import authorizer_value
from apiserver.admission.expression_check import problems
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
        ("self.spec.m.transformMap(k, v, v > 1, v)", {}),
        ("self.spec.m.transformMap(k, v, {'a': v}.transformMap(i, j, i + string(j)))", {"k": {"a": "a1"}}),
        ("self.spec.m.transformMapEntry(k, v, {k + 'x': v})", {"kx": 1}),
        ("[duration('1h'), duration('2h')].sum() == duration('3h')", True),
        ("[timestamp('2020-01-01T00:00:00Z')].max() < timestamp('2021-01-01T00:00:00Z')", True),
        ("self.spec.list.indexOf(2) + 'abc'.indexOf('c') + 'abab'.lastIndexOf('b', 2)", 5),
        ("string(ip('10.0.0.1')) + ' ' + string(self.spec.replicas) + string(1.5)", "10.0.0.1 31.5"),
        ("format.named('uuid').value().validate('x').hasValue()", True),
        ("Object{?spec: self.?nothing, metadata: Object.metadata{}}", {"metadata": {}}),
        ("1 < 1.5 && self.spec.replicas < 3.5", True),
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
    with pytest.raises(CompileError, match=r"<input>:1:1: undeclared reference to 'a'"):
        compile_expression("a.b.c == 1", {"self"})
    with pytest.raises(CompileError, match=r"found no matching overload for '_\+_' applied to '\(int, string\)'"):
        compile_expression("1 + 'a'", {"self"})
    with pytest.raises(CompileError, match="undeclared reference to 'nope'"):
        compile_expression("Object{spec: nope}", {"self"})
    with pytest.raises(CompileError, match="undeclared reference to 'frobnicate'"):
        compile_expression("Object{spec: frobnicate(1)}", {"self"})
    with pytest.raises(CompileError):
        compile_expression("", {"self"})
    with pytest.raises(EvaluationError, match="no such key: x"):
        compile_expression("self.spec.x", {"self"}).evaluate({"self": OBJECT})
    with pytest.raises(EvaluationError, match="no such overload"):
        compile_expression("self.spec.replicas + 'a'", {"self"}).evaluate({"self": OBJECT})


def test_the_type_of_the_result_is_known():
    types = {"self.a": "dyn", "self.a == 1": "bool", "'a' + self.a": "string", "[self]": "list", "Object{}": ""}
    assert {source: compile_expression(source, {"self"}).type for source in types} == types


def test_what_evaluates_to_the_wrong_type_is_refused():
    validations = [
        {"expression": "object.a"},
        {"expression": "variables.a"},
        {"expression": "true", "messageExpression": "1"},
    ]
    spec = {"validations": validations, "auditAnnotations": [{"key": "a", "valueExpression": "1 == 1"}]}
    found = problems("validatingadmissionpolicies.admissionregistration.k8s.io", {"spec": spec})
    assert [(problem.field, problem.detail) for problem in found] == [
        ("spec.validations[0].expression", "must evaluate to bool"),
        ("spec.validations[2].messageExpression", "must evaluate to string"),
        ("spec.auditAnnotations[0].valueExpression", "must evaluate to one of [string null_type]"),
    ]


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
    source = (
        "authorizer.serviceAccount('ns', 'sa').group('').resource('pods').fieldSelector('spec.nodeName=a')"
        ".labelSelector('x in (a,b)').check('list').allowed() && authorizer.path('/x').check('get').reason() == 'why' "
        "&& authorizer.requestResource.check('get').allowed()"
    )
    with authorizer_value(Authorizer(), UserInfo("joe")) as value:
        value = {**value, "requestResource": {**value, "resource": "pods"}}
        assert compile_expression(source, {"authorizer"}).evaluate({"authorizer": value}) is True
    assert (asked[1].user.name, asked[1].field_selector[0].field, asked[1].label_selector[0].key) == (
        "system:serviceaccount:ns:sa",
        "spec.nodeName",
        "x",
    )
    assert (asked[2].path, asked[2].resource_request) == ("/x", False)


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
    expression = compile_expression("lists.range(self.n).size()", {"self"})
    assert expression.evaluate({"self": {"n": 5}}) == 5
    with pytest.raises(EvaluationError, match="cost limit exceeded"):
        expression.evaluate({"self": {"n": 2**40}})
