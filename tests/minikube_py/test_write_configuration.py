from pathlib import Path

import pytest

from minikube_py import profiles
from minikube_py.profiles import Profile
from minikube_py.steps import write_configuration


@pytest.mark.parametrize(
    ("text", "behind", "expected"),
    [
        ("nameserver 127.0.0.53\noptions edns0\n", True, "run/systemd/resolve/resolv.conf"),
        ("nameserver 127.0.0.53\n", False, "etc/resolv.conf"),
        ("nameserver 10.0.0.2\nnameserver 127.0.0.53\n", True, "etc/resolv.conf"),
        ("# none\n", True, "etc/resolv.conf"),
        (None, True, "etc/resolv.conf"),
    ],
)
def test_the_stub_of_systemd_resolved_is_no_use_in_a_pod(
    tmp_path: Path, text: str | None, behind: bool, expected: str
) -> None:
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/resolv.conf").write_text(text)
    if behind:
        (tmp_path / "run/systemd/resolve").mkdir(parents=True)
        (tmp_path / "run/systemd/resolve/resolv.conf").write_text("nameserver 10.0.0.2\n")
    assert write_configuration.resolv_conf(tmp_path) == tmp_path / expected


@pytest.mark.parametrize(("forced", "driver"), [(False, "cgroupfs"), (True, "systemd")])
def test_kubelet_and_runtime_use_one_cgroup_driver(forced: bool, driver: str) -> None:
    profile = Profile(name="a", network=profiles.default_network(0, "", ""), force_systemd=forced)
    assert write_configuration.kubelet_configuration(profile)["cgroupDriver"] == driver
    assert f'cgroup_manager = "{driver}"' in write_configuration.runtime_configuration(profile)
