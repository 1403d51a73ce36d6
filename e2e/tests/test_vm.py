"""The smoke test on cgroup v2 under systemd, as most users have it: `./dev test -m vm e2e/tests/test_vm.py`.

It needs qemu and debootstrap and takes minutes, so it is left out of ordinary runs; see e2e/vm/README.md.
"""

import shutil
from pathlib import Path

import pytest

from e2e.vm import machine
from e2e.vm.image import Image, make

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]
SMOKE = "tests/linux/test_cgroups.py tests/linux/test_cgroups_systemd.py e2e/tests/test_limits.py"


@pytest.fixture(scope="module")
def image() -> Image:
    for program in ("qemu-system-x86_64", "qemu-img", "debootstrap", "mke2fs"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    found = Image(Path.home() / ".cache/minikube-py-vm")
    if not found.ready():
        make(found)
    return found


@pytest.mark.parametrize("flags", ["", "--force-systemd"])
def test_limits_hold_on_the_unified_hierarchy(image: Image, flags: str):
    lines: list[str] = []
    command = f"export E2E_START_FLAGS='{flags}'; test -d /run/systemd/system && exec python -m pytest -q {SMOKE}"
    status = machine.run(image, command, seconds=800, say=lines.append)
    assert status == 0, "\n".join(lines[-100:])


def test_vlans_and_ipvlan(image: Image):
    """What many kernels of development machines lack; the reference's plugins are there to compare with."""
    lines: list[str] = []
    command = "exec python -m pytest -q -rs tests/cni/test_bridge_vlan.py tests/cni/test_ipvlan.py"
    status = machine.run(image, command, seconds=1700, say=lines.append)
    assert status == 0, "\n".join(lines[-100:])
    assert not [line for line in lines if "this kernel has no" in line]
