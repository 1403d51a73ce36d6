import pytest

from apiserver.apiextensions import pattern


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("^a+$", "aa", "aa\n"),
        ("^[[:alpha:]_]+$", "a_b", "a1"),
        (r"^\d+\z", "12", "\u0663"),
        (r"^\w$", "a", "\u00e9"),
        ("^[$]$", "$", "a"),
        (r"^\$\.$", "$.", "x"),
        ("(?i)^abc$", "ABC", "abd"),
        ("(?m)^b$", "a\nb", "ab"),
        (r"^\pL+$", "\u00e9", "1"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        ("^(?P<x>a)$", "a", "b"),
    ],
)
def test_patterns_mean_what_they_mean_in_re2(text, matching, other):
    assert pattern.problem(text) == ""
    assert pattern.matcher(text)(matching)
    assert not pattern.matcher(text)(other)


@pytest.mark.parametrize("text", ["(", "[", "a(?!b)", "(?<=a)b", r"(a)\1", "a++", "a{2000}", "*"])
def test_what_re2_can_not_read_is_wrong(text):
    assert pattern.problem(text).startswith("error parsing regexp: ")
