"""EncryptionConfiguration files: what they mean, what is refused, and reading them again."""

import pytest

from apiserver.storage.encryption_configuration import (
    ConfigurationError,
    Reloader,
    parse_configuration,
    read_configuration,
)
from component.clock import FakeClock

K16, K32 = "MTIzNDU2Nzg5MDEyMzQ1Ng==", "MTIzNDU2Nzg5MDEyMzQ1NjEyMzQ1Njc4OTAxMjM0NTY="


def configuration(*resources):
    rows = ", ".join(f"{{resources: [{names}], providers: [{providers}]}}" for names, providers in resources)
    return f"kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources: [{rows}]"


def keys(provider, *rows):
    return f"{{{provider}: {{keys: [{', '.join(f'{{name: {name}, secret: {secret}}}' for name, secret in rows)}]}}}}"


def test_the_first_row_that_names_a_resource_counts():
    found = parse_configuration(
        configuration(
            ("secrets, deployments.apps, things.example.com", keys("secretbox", ("a", K32))),
            ("'*.apps'", keys("aesgcm", ("b", K16))),
            ("'*.'", keys("aescbc", ("c", K16))),
            ("'*.*'", "{identity: {}}"),
        )
    )
    first = {directory: one.providers[0].prefix for directory, one in found.items()}
    assert first["secrets"] == first["deployments"] == first["example.com/things"] == b"k8s:enc:secretbox:v1:a:"
    assert first["daemonsets"] == b"k8s:enc:aesgcm:v1:b:"
    assert first["configmaps"] == b"k8s:enc:aescbc:v1:c:"
    assert first["*"] == b""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "kind must be"),
        ("kind: X", "kind must be"),
        ("kind: [", "expected"),
        ("kind: EncryptionConfiguration", "resources: Required value"),
        (configuration(("", "{identity: {}}")), "resources[0].resources: Required value"),
        (configuration(("secrets", "")), "resources[0].providers: Required value"),
        (configuration(("secrets", "{kms: {}}")), 'provider "kms" is not supported'),
        (configuration(("secrets", "{identity: {}, aescbc: {}}")), "a provider is one of"),
        (configuration(("secrets", "{aescbc: {}}")), "providers[0].aescbc.keys: Required value"),
        (configuration(("secrets", keys("aescbc", ("a", "eA==")))), "got 1, expected one of [16 24 32]"),
        (configuration(("secrets", keys("secretbox", ("a", K16)))), "got 16, expected one of [32]"),
        (configuration(("secrets", keys("aescbc", ("a", "'%%%'")))), "is not base64"),
        (configuration(("secrets", keys("aescbc", ("'a:b'", K16)))), "must not contain a colon"),
        (configuration(("secrets", keys("aescbc", ("a", K16), ("a", K32)))), "keys[1].name: Duplicate value"),
        (configuration(("secrets", keys("aescbc", ("''", K16)))), "keys[0].name: Required value"),
        (configuration(("secrets", keys("aescbc", ("a", "''")))), "keys[0].secret: Required value"),
    ],
)
def test_bad_configurations(text, why):
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text)
    assert why in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        read_configuration(str(tmp_path / "none"))


def test_a_changed_file_is_used_and_a_bad_one_is_not(tmp_path):
    path, used = tmp_path / "c.yaml", []
    path.write_text(configuration(("secrets", keys("aescbc", ("a", K16)))))
    reloader = Reloader(str(path), used.append, FakeClock())
    reloader.look()
    assert used == []
    path.write_text("kind: nonsense")
    reloader.look()
    assert used == []
    path.write_text(configuration(("secrets", keys("secretbox", ("longer", K32)))))
    reloader.look()
    reloader.look()
    assert [one["secrets"].providers[0].prefix for one in used] == [b"k8s:enc:secretbox:v1:longer:"]
