import pytest

from minikube_py import extra_config, profiles
from minikube_py.profiles import Profile
from minikube_py.programs import PROGRAMS, command_line
from minikube_py.reasons import Failure


def test_the_last_value_of_a_flag_holds():
    entries = ["kubelet.v=1", "apiserver.event-ttl=1h", "kubelet.v=2", "etcd.name=a=b"]
    assert extra_config.checked(entries) == ("apiserver.event-ttl=1h", "etcd.name=a=b", "kubelet.v=2")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("apiserver", "is not COMPONENT.FLAG=VALUE"),
        ("apiserver.v", "is not COMPONENT.FLAG=VALUE"),
        ("apiserver.--v=1", "is not COMPONENT.FLAG=VALUE"),
        ("kubeadm.v=1", "no component 'kubeadm'"),
        ("apiserver.v=1\n[program:x]", "is not COMPONENT.FLAG=VALUE"),
        ("apiserver.v=1 ;x", "can't be passed on"),
    ],
)
def test_what_can_not_be_a_flag_is_told(entry, told):
    with pytest.raises(Failure, match="extra-config") as caught:
        extra_config.checked([entry])
    assert told in caught.value.message


def test_flags_go_to_their_program_and_replace_the_launchers_own():
    profile = Profile(
        name="one",
        network=profiles.default_network(0),
        extra_config=extra_config.checked(["controller-manager.leader-elect=true", "controller-manager.v=4"]),
    )
    words = {program.name: command_line(program, profile) for program in PROGRAMS}
    assert words["controllers"][-2:] == ["--leader-elect=true", "--v=4"]
    assert "--leader-elect=false" not in words["controllers"]
    assert "--leader-elect=false" in words["scheduler"]


def test_every_program_but_the_bundled_ones_has_a_component():
    assert set(extra_config.COMPONENTS.values()) == {program.name for program in PROGRAMS} - {"cri", "addons"}
