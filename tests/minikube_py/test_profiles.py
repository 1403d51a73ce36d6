import pytest

from minikube_py import profiles
from minikube_py.profiles import Profile
from minikube_py.reasons import Failure


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIKUBE_PY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(profiles, "_CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(profiles, "_LINKS", tmp_path / "links")
    return tmp_path / "home"


def made(name: str = "one") -> Profile:
    profile = Profile(name=name, network=profiles.claim_network(name), apiserver_names=("a.example",))
    profile.save()
    return profile


def test_a_saved_profile_loads_as_it_was():
    profile = made()
    assert profiles.load("one") == profile


def test_the_first_network_has_upstreams_usual_ranges():
    network = profiles.default_network(0)
    assert (network.pod_cidr, network.cluster_cidr, network.service_cidr, network.dns_ip, network.node_ip) == (
        "10.244.0.0/24",
        "10.244.0.0/16",
        "10.96.0.0/12",
        "10.96.0.10",
        "10.244.0.1",
    )


def test_networks_of_clusters_on_one_host_do_not_overlap():
    import ipaddress

    ranges = []
    for index in range(profiles.MOST_CLUSTERS):
        network = profiles.default_network(index)
        ranges += [ipaddress.ip_network(network.cluster_cidr), ipaddress.ip_network(network.service_cidr)]
    assert not [(a, b) for i, a in enumerate(ranges) for b in ranges[i + 1 :] if a.overlaps(b)]


def test_two_profiles_get_two_networks_and_a_deleted_one_gives_its_own_back():
    first, second = made("one"), made("two")
    assert {first.network.index, second.network.index} == {0, 1}
    profiles.forget("one")
    assert made("three").network.index == 0


def test_a_bridge_that_nobody_claimed_is_left_alone(tmp_path):
    (tmp_path / "links" / "mkpy0").mkdir(parents=True)
    assert made().network.index == 1


def test_claiming_again_gives_the_same_network():
    assert made().network == profiles.claim_network("one")


def test_forgetting_the_last_profile_leaves_no_file(home, tmp_path):
    made()
    profiles.forget("one")
    profiles.remove_empty_home()
    assert not home.exists()
    assert not (tmp_path / "claims").exists()


@pytest.mark.parametrize("text", ['{"format": 1', "[]", '{"format": 99}', '{"format": 1, "name": "one"}'])
def test_a_damaged_profile_is_told_with_its_mend(text):
    made()
    (profiles.profiles_directory() / "one" / "config.json").write_text(text)
    with pytest.raises(Failure) as told:
        profiles.load("one")
    assert told.value.reason.id == "MK_PROFILE_DAMAGED"
    assert "delete -p one" in told.value.advice


@pytest.mark.parametrize(
    ("pods", "services", "word"),
    [
        ("10.244.0.0/33", "", "not an IPv4 range"),
        ("10.0.0.0/30", "", "too small"),
        ("10.96.0.0/16", "", "overlap"),
        ("x", "", "not an IPv4 range"),
    ],
)
def test_bad_ranges_are_refused(pods, services, word):
    with pytest.raises(Failure, match=word):
        profiles.default_network(0, pods, services)


def test_the_active_profile_is_remembered_and_forgotten_with_its_profile():
    made()
    profiles.set_active("one")
    assert profiles.active_name() == "one"
    profiles.forget("one")
    assert profiles.active_name() == "minikube"
