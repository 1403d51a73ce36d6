import pytest

from kubelet.options import ConfigError, load_config


def test_known_keys_are_read_and_unknown_left_alone(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "kind: KubeletConfiguration\nport: 1234\nclusterDNS: [10.96.0.10]\nimageMinimumGCAge: 2m\nfuture: 1\n"
        "authentication: {x509: {clientCAFile: /ca}, webhook: {enabled: false}}\nauthorization: {mode: AlwaysAllow}\n"
    )
    config = load_config(str(path))
    assert (config.port, config.clusterDNS, config.imageMinimumGCAge) == (1234, ("10.96.0.10",), 120.0)
    assert (config.client_ca(), config.webhook_authentication(), config.always_allow(), config.anonymous()) == (
        "/ca",
        False,
        True,
        False,
    )


@pytest.mark.parametrize("text", ["kind: Pod\n", "port: x\n", "{"])
def test_bad_files_are_told(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_config(str(path))
    with pytest.raises(ConfigError):
        load_config(str(tmp_path / "none"))
