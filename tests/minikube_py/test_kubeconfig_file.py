import pytest
import yaml

from minikube_py import certificates, kubeconfig_file, profiles
from minikube_py.profiles import Profile
from minikube_py.reasons import Failure

OTHER = {
    "apiVersion": "v1",
    "kind": "Config",
    "x-mine": {"kept": True},
    "clusters": [{"name": "other", "cluster": {"server": "https://other"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "other", "context": {"cluster": "other", "user": "me"}}],
    "current-context": "other",
}


@pytest.fixture
def profile(tmp_path, monkeypatch) -> Profile:
    monkeypatch.setenv("MINIKUBE_PY_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube" / "config"))
    made = Profile(name="one", network=profiles.default_network(0))
    certificates.ensure(made)
    return made


def read():
    return yaml.safe_load(kubeconfig_file.path().read_text())


def test_a_missing_file_is_made_private(profile):
    assert kubeconfig_file.merge(profile)
    assert kubeconfig_file.path().stat().st_mode & 0o777 == 0o600
    assert read()["current-context"] == "one"
    assert kubeconfig_file.state(profile) == "Configured"


def test_entries_of_others_and_unknown_keys_stay(profile):
    kubeconfig_file.path().parent.mkdir()
    kubeconfig_file.path().write_text(yaml.safe_dump(OTHER))
    kubeconfig_file.merge(profile)
    merged = read()
    assert merged["x-mine"] == {"kept": True}
    assert [row["name"] for row in merged["clusters"]] == ["other", "one"]
    kubeconfig_file.unmerge("one")
    assert {**read(), "current-context": "other"} == {**OTHER, "preferences": {}}


def test_merging_twice_changes_nothing(profile):
    kubeconfig_file.merge(profile)
    before = kubeconfig_file.path().stat().st_mtime_ns
    assert not kubeconfig_file.merge(profile)
    assert kubeconfig_file.path().stat().st_mtime_ns == before


def test_keep_context_leaves_the_current_one(profile):
    kubeconfig_file.path().parent.mkdir()
    kubeconfig_file.path().write_text(yaml.safe_dump(OTHER))
    kubeconfig_file.merge(profile, make_current=False)
    assert read()["current-context"] == "other"


@pytest.mark.parametrize("text", ["{", "- a", "clusters: 5"])
def test_a_broken_file_is_left_alone(profile, text):
    kubeconfig_file.path().parent.mkdir()
    kubeconfig_file.path().write_text(text)
    with pytest.raises(Failure) as told:
        kubeconfig_file.merge(profile)
    assert told.value.reason.id == "HOST_KUBECONFIG"
    assert kubeconfig_file.path().read_text() == text


def test_certificates_are_kept_while_they_fit_and_made_again_when_hosts_change(profile):
    import dataclasses

    file = certificates.directory(profile) / "apiserver.crt"
    before = file.read_bytes()
    certificates.ensure(profile)
    assert file.read_bytes() == before
    certificates.ensure(dataclasses.replace(profile, apiserver_names=("new.example",)))
    assert file.read_bytes() != before


def test_secrets_are_readable_by_their_owner_alone(profile):
    for path in certificates.directory(profile).glob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600, path
