"""podman, a foreign runtime, runs a container over our plugins: bridge, host-local, portmap and tuning as executables."""

import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

from linux import links, mounts
from tests.cni.conftest import host_local, tables

pytestmark = pytest.mark.live
# What podman needs on hosts without CAP_SYS_RESOURCE and with hybrid control groups.
SETTINGS = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "cni"
cni_plugin_dirs = ["{plugins}"]
network_config_dir = "{networks}"
"""


@pytest.fixture
def podman(host, plugin_directory):
    if not all(shutil.which(program) for program in ("podman", "runc", "busybox")):
        pytest.skip("podman, runc and busybox-static are not all installed")
    directory = host.directory
    rootfs, networks = directory / "rootfs", directory / "net.d"
    for path in ("bin", "etc", "proc", "sys", "dev", "run", "tmp"):
        (rootfs / path).mkdir(parents=True)
    networks.mkdir()
    shutil.copy(os.path.realpath(shutil.which("busybox")), rootfs / "bin" / "busybox")
    plugins = directory / "plugins"
    plugins.mkdir()
    for kind in os.listdir(plugin_directory):
        os.symlink(f"{plugin_directory}/{kind}", plugins / kind)
    settings = directory / "containers.conf"
    settings.write_text(SETTINGS.format(plugins=plugins, networks=networks))
    network = {
        "cniVersion": "0.4.0",
        "name": "mktpod",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "mktpod0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": host_local(directory, routes=[{"dst": "0.0.0.0/0"}]),
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "tuning"},
        ],
    }
    (networks / "mktpod.conflist").write_text(json.dumps(network))

    short = tempfile.mkdtemp(prefix="mkt-")  # podman takes no runroot longer than 50 characters

    def run(*words, check=True):
        command = ["nsenter", f"--net={host.path}", "podman", "--root", f"{short}/root"]
        command += ["--runroot", f"{short}/run", "--tmpdir", f"{short}/tmp", "--log-level=error"]
        environment = {**os.environ, "CONTAINERS_CONF": str(settings)}
        done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    run.rootfs = str(rootfs)
    yield run
    run("rm", "-f", "-t", "0", "--all", check=False)
    mounts.unmount_tree(short)
    shutil.rmtree(short)


def test_podman_runs_a_container_over_our_plugins(podman, host):
    program = "while true; do echo hello from the container | busybox nc -l -p 80; done"
    cid = podman(
        "run",
        "-d",
        "--network",
        "mktpod",
        "-p",
        "18080:80",
        "--rootfs",
        podman.rootfs,
        "/bin/busybox",
        "sh",
        "-c",
        program,
    )
    shown = json.loads(podman("inspect", cid))[0]["NetworkSettings"]["Networks"]["mktpod"]
    assert shown["IPAddress"] == "10.88.0.2"
    assert shown["Gateway"] == "10.88.0.1"
    assert podman("exec", cid, "/bin/busybox", "ip", "-4", "-o", "addr", "show", "eth0").count("10.88.0.2/24") == 1
    answer = ""
    for _ in range(50):
        try:
            answer = host.ask("10.88.0.1", 18080, timeout=1)
        except OSError:
            time.sleep(0.1)
        if answer:
            break
    assert answer == "hello from the container\n"
    assert {name for _, name in tables(host)} == {"minikube_py_masquerade", "minikube_py_hostport"}
    podman("rm", "-f", "-t", "0", cid)
    assert tables(host) == []
    assert not [link for link in host.inside(links.list_links) if link.kind == "veth"]
    assert not list((host.directory / "networks" / "mktpod").glob("10.*"))
