import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri.images import reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("me/app", "docker.io/me/app:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("quay.io/a/b:c", "quay.io/a/b:c"),
        ("localhost/x", "localhost/x:latest"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
        (f"quay.io/a@{DIGEST}", f"quay.io/a@{DIGEST}"),
        (f"quay.io/a:t@{DIGEST}", f"quay.io/a:t@{DIGEST}"),
    ],
)
def test_full_names(name: str, expected: str) -> None:
    assert reference.candidates(name)[0] == expected


def test_short_names_are_tried_in_the_order_of_the_registries() -> None:
    assert reference.candidates("a/b:1", ("quay.io", "localhost")) == [
        "quay.io/a/b:1",
        "localhost/a/b:1",
        "docker.io/a/b:1",
    ]


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
