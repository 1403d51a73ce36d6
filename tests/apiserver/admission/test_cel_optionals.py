"""An optional value that has to become a Python value ends the process, so each of these is a matter of life."""

import pytest

from apiserver.admission.cel import CompileError, EvaluationError, compile_expression
from apiserver.admission.cel_compiler import program

OBJECT = {"a": {"b": 1}, "l": [1, 2]}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("self.?a.b.orValue(2)", 1),
        ("self.?x.b.orValue(2)", 2),
        ("self.?a.optMap(x, x.b + 1).orValue(0)", 2),
        ("self.?a.optFlatMap(x, x.?b).orValue(0)", 1),
        ("[?self.?x, ?self.?a].size()", 1),
        ("{?'a': self.?x}.size()", 0),
        ("cel.bind(x, self.?a, x.hasValue() ? x.value().b : 0)", 1),
        ("self.?x.or(self.?a).hasValue()", True),
        ("self.?x == optional.none()", True),
        ("has(self.?a.b)", True),
        ("self[?'l'][0].orValue(9)", 1),
        ("self.l.last().value()", 2),
        ("(true ? self.?x : optional.none()).hasValue()", False),
    ],
)
def test_optionals_among_themselves(source, value):
    assert compile_expression(source, {"self"}).evaluate({"self": OBJECT}) == value


@pytest.mark.parametrize(
    "source",
    [
        "[optional.of(1)]",
        "[self.?a]",
        "{'a': self.?a}",
        "{self.?a: 1}",
        "dyn(self.?a)",
        "optional.of(self.?a)",
        "ip(dyn(self.?a))",
        "self.l.map(x, optional.of(x))",
        "self.l.transformMap(i, x, optional.of(x))",
        "self.?a.orValue(self.?b)",
        "[1].indexOf(cel.bind(x, self.?a, x))",
        "[true ? self.?a : dyn(1)]",
        "Object{spec: self.?a}",
        "Object{spec: [format.named('uuid')]}",
        "Object{spec: [?optional.of(optional.of(1))]}",
    ],
)
def test_optionals_elsewhere_are_refused(source):
    with pytest.raises(CompileError):
        compile_expression(source, {"self"})


def test_variables_may_be_optional():
    names = frozenset({"self", "oldSelf"})
    made = program("oldSelf.orValue(self) == 1", names, frozenset({"oldSelf"}))
    assert made.evaluate({"self": 1, "oldSelf": []}) is True
    assert made.evaluate({"self": 1, "oldSelf": [2]}) is False
    with pytest.raises(CompileError):
        program("[oldSelf].size() == 1", names, frozenset({"oldSelf"}))


def test_an_optional_is_no_result():
    with pytest.raises(EvaluationError):
        compile_expression("self.?a", {"self"}).evaluate({"self": OBJECT})
