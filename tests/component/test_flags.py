from dataclasses import dataclass

import pytest

from component.flags import Duration, flag, parse

MINUTE = Duration(60.0)


@dataclass(frozen=True, slots=True)
class Options:
    secure_port: int = flag(6443, help="A port.")
    names: tuple[str, ...] = flag((), help="Names.")
    ttl: Duration = flag(MINUTE, help="A time, 100% sure.")  # noqa: RUF009 - a dataclass field
    fast: bool = flag(False, help="Whether.")


def parsed(*words: str) -> Options:
    return parse(Options, words, prog="test", description="A test.")


def test_flags_have_upstreams_forms():
    assert parsed() == Options(6443, (), MINUTE, False)
    found = parsed("--secure_port=1", "--names=a,b", "--names", "c", "--ttl=1m30s", "--fast")
    assert found == Options(1, ("a", "b", "c"), Duration(90.0), True)
    assert parsed("--fast=false", "--ttl=5").ttl == 5


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--ttl=soon", "argument --ttl: invalid duration 'soon'"),
        ("--fast=perhaps", "argument --fast: invalid boolean 'perhaps'"),
        ("--secure-port=x", "argument --secure-port: invalid int value: 'x'"),
        ("--none", "unrecognized arguments: --none"),
    ],
)
def test_a_wrong_flag_is_told_in_words(word, told, capsys):
    with pytest.raises(SystemExit) as caught:
        parsed(word)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err
