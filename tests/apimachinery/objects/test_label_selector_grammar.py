"""Label selectors as text: what they choose, and upstream's words for what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.selectors import SelectorError

LABELS = {"a": "b", "n": "5", "x.io/y": "", "in": "in"}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("", True),
        (" , ".strip(" ,"), True),
        ("a=b", True),
        ("a == b , n=5", True),
        ("a!=b", False),
        ("z!=b", True),
        ("a in (b,c)", True),
        ("a in(b)", True),
        ("a notin (b)", False),
        ("z notin (b)", True),
        ("a", True),
        ("!a", False),
        ("! z", True),
        ("x.io/y=", True),
        ("x.io/y", True),
        ("x.io/y in (,c)", True),
        ("x.io/y in (c,)", True),
        ("a in (,)", False),
        ("n>4,n<6", True),
        ("n>5", False),
        ("z>1", False),
        ("in in (in)", True),
        ("in=in", True),
        ("notin!=in", True),
    ],
)
def test_what_is_chosen(text, chosen):
    assert parse_label_selector(text).matches(LABELS) is chosen


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!a in (b)", "found 'in', expected: ',' or 'end of string'"),
        ("a=(b)", "unable to parse requirement: found '(', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        (
            "a>b",
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must",
        ),
        ("-a", 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of alphanumeric'),
        ("a=-b", 'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be an empty'),
    ],
)
def test_what_is_none_is_told(text, why):
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value).startswith(why)


@given(st.text(alphabet="ab in(),=!<>\t-./not"))
def test_any_text_is_a_selector_or_none(text):
    try:
        found = parse_label_selector(text)
    except SelectorError:
        return
    assert parse_label_selector(str(found)).requirements == found.requirements
