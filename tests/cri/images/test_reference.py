import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri.images import reference


def test_docker_hub_has_one_name() -> None:
    for name in ("docker.io/busybox", "index.docker.io/busybox", "docker.io/library/busybox"):
        assert str(reference.official(reference.parse(name).tagged())) == "docker.io/library/busybox:latest"
    assert str(reference.official(reference.parse("quay.io/a"))) == "quay.io/a"


@pytest.mark.parametrize("name", ["", "A", "a:", "a@", "a@sha256:x", "a//b", "-", "a b", "quay.io/", "a:b:c/d e"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="invalid reference"):
        reference.parse(name)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        parsed = reference.parse(text)
    except ValueError:
        return
    assert str(parsed) == text


def test_ids() -> None:
    assert reference.is_id("abc")
    assert not reference.is_id("ab")
    assert reference.is_full_id("a" * 64)
    assert not reference.is_id("xyz")
