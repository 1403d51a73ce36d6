import pytest

from cri import errors
from cri.streaming import tokens


def test_a_token_is_good_once_and_for_a_minute() -> None:
    waiting: tokens.Tokens[str] = tokens.Tokens()
    token = waiting.add("x", now=0)
    assert len(token) == 8
    assert waiting.take(token, now=59) == "x"
    assert waiting.take(token, now=59) is None
    late = waiting.add("y", now=0)
    assert waiting.take(late, now=61) is None
    assert waiting.take("unknown", now=0) is None


def test_there_is_a_limit_until_old_ones_expire() -> None:
    waiting: tokens.Tokens[int] = tokens.Tokens()
    for number in range(tokens.LIMIT):
        waiting.add(number, now=0)
    with pytest.raises(errors.ResourceExhausted):
        waiting.add(0, now=1)
    waiting.add(0, now=tokens.LIFE + 1)
