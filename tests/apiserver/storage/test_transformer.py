"""Encryption at rest: round trips, foreign keys, configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.transformer import (
    AesCbc,
    AesGcm,
    ConfigurationError,
    Identity,
    Transformer,
    UnreadableError,
    read_configuration,
)

KEY = b"k" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(value):
    for provider in (AesCbc("a", KEY), AesGcm("a", KEY), Identity()):
        transformer = Transformer((provider,))
        if provider.prefix or not value.startswith(b"k8s:enc:"):
            assert transformer.open(transformer.seal(value, b"ctx"), b"ctx") == value


def test_old_values_are_read_and_foreign_ones_are_not():
    transformer = Transformer((AesGcm("new", KEY), AesCbc("old", b"o" * 16), Identity()))
    assert transformer.open(b"plain", b"c") == b"plain"
    old = Transformer((AesCbc("old", b"o" * 16),)).seal(b"x", b"c")
    assert transformer.open(old, b"c") == b"x"
    with pytest.raises(UnreadableError):
        transformer.open(Transformer((AesCbc("other", KEY),)).seal(b"x", b"c"), b"c")
    with pytest.raises(UnreadableError):
        transformer.open(transformer.seal(b"x", b"c"), b"another object")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: X",
        "kind: EncryptionConfiguration\nresources: [{resources: [secrets], providers: []}]",
        "kind: EncryptionConfiguration\nresources: [{resources: [secrets], providers: [{kms: {}}]}]",
        "kind: EncryptionConfiguration\nresources: [{resources: [secrets], providers: [{aescbc: {keys: [{name: a, secret: eA==}]}}]}]",
    ],
)
def test_bad_configurations(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError):
        read_configuration(str(path))
