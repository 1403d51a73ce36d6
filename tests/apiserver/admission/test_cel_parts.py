import pytest

from apiserver.admission.cel import EvaluationError, compile_expression

NUMBERS = list(range(300))  # 90,000 pairs: more than the library's 10,000 steps, less than upstream's limit


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("self.l.all(x, self.l.exists_one(y, x == y))", True),
        ("self.l.all(x, self.l.all(y, x + y < 598))", False),
        ("self.l.exists(x, self.l.exists_one(y, x + y == 598 && x == y))", True),
        ("self.l.exists(x, self.l.all(y, x > y))", False),
        ("self.l.exists_one(x, self.l.all(y, x >= y))", True),
        ("self.l.exists_one(x, self.l.exists_one(y, x == y))", False),
        ("self.l.size() == 1 || self.l.all(x, self.l.exists_one(y, x == y))", True),
        ("self.l.size() == 300 && !self.l.exists(x, self.l.all(y, x > y))", True),
        ("self.l.size() > 1 ? self.l.all(x, self.l.exists_one(y, x == y)) : false", True),
        ("self.m.all(k, self.l.exists_one(y, self.m[k] == y))", True),
        ("self.m.all(k, v, self.l.exists_one(y, v == y && k != ''))", True),
        ("self.l.all(i, v, self.l.exists_one(y, v == y && i == v))", True),
        ("(self.none == 1 && true) || self.l.all(x, self.l.exists_one(y, x == y))", True),
        ("self.l.map(x, x + 1).all(x, self.l.exists_one(y, x == y + 1))", True),
        ("self.one.all(x, x.all(y, self.l.exists(z, z == y)))", True),
        ("self.one.exists_one(x, x.exists(y, self.l.all(z, z > y)))", False),
        ("self.l.all(x, x == 299 ? false : x == 0 ? self.none : self.l.exists_one(y, x == y))", False),
        ("cel.bind(l, self.l, l.all(x, x < 300)) && self.l.all(x, self.l.exists_one(y, x == y))", True),
    ],
)
def test_what_takes_many_steps_is_evaluated_in_parts(source, value):
    variables = {"l": NUMBERS, "one": [NUMBERS], "m": {str(number): number for number in NUMBERS}}
    assert compile_expression(source, {"self"}).evaluate({"self": variables}) is value


@pytest.mark.parametrize(
    "source",
    [
        "self.all(x, self.all(y, x == y || x != y))",
        "self.all(x, self.all(y, self.all(z, true)))",
        "self.exists(x, self.exists(y, x < 0))",
        "self.filter(x, self.exists(y, x == y)).size() > 0",
    ],
)
def test_what_costs_upstream_too_much_is_refused(source):
    with pytest.raises(EvaluationError, match="actual cost limit exceeded"):
        compile_expression(source, {"self"}).evaluate({"self": list(range(725))})


def test_errors_in_parts_are_errors():
    with pytest.raises(EvaluationError, match="no such key: none"):
        compile_expression("self.l.all(x, self.l.exists_one(y, x == y)) && self.none", {"self"}).evaluate(
            {"self": {"l": NUMBERS}}
        )
