"""The providers: round trips, foreign keys, formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.encryption import AesCbc, AesGcm, Identity, Secretbox, Transformer, UnreadableError

KEY = b"k" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(value):
    for provider in (AesCbc("a", KEY), AesGcm("a", KEY), Secretbox("a", KEY), Identity()):
        transformer = Transformer((provider,))
        if provider.prefix or not value.startswith(b"k8s:enc:"):
            sealed = transformer.seal(value, b"ctx")
            assert transformer.open(sealed, b"ctx") == value
            assert transformer.writer_of(sealed) == provider.prefix


@pytest.mark.parametrize("kind", [AesCbc, AesGcm, Secretbox])
@given(st.binary(max_size=80))
def test_garbage_is_unreadable_not_fatal(kind, garbage):
    with pytest.raises(UnreadableError):
        kind("a", KEY).open(garbage, b"ctx")


def test_old_values_are_read_and_foreign_ones_are_not():
    transformer = Transformer((AesGcm("new", KEY), AesCbc("old", b"o" * 16), Secretbox("box", KEY), Identity()))
    assert transformer.open(b"plain", b"c") == b"plain"
    for provider in (AesCbc("old", b"o" * 16), Secretbox("box", KEY)):
        old = Transformer((provider,)).seal(b"x", b"c")
        assert transformer.open(old, b"c") == b"x"
        assert transformer.writer_of(old) == provider.prefix
    with pytest.raises(UnreadableError):
        transformer.open(Transformer((AesCbc("other", KEY),)).seal(b"x", b"c"), b"c")
    with pytest.raises(UnreadableError):
        transformer.open(transformer.seal(b"x", b"c"), b"another object")


def test_a_secretbox_is_a_nonce_and_a_nacl_box_behind_upstreams_prefix():
    from nacl.secret import SecretBox

    sealed = Transformer((Secretbox("mine", KEY),)).seal(b"hello", b"c")
    prefix = b"k8s:enc:secretbox:v1:mine:"
    assert sealed.startswith(prefix)
    body = sealed[len(prefix) :]
    assert SecretBox(KEY).decrypt(body[24:], body[:24]) == b"hello"
