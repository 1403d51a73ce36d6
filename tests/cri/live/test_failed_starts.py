"""Issue 4, point 9: whatever fails while a pod is made names its cause and leaves the host as it was."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from linux import mounts
from protocols.cri import api_pb2 as api
from tests.cri.live import census, oci_layout
from tests.cri.live.cri_service import BUSYBOX, PATIENCE, Pod, Service

pytestmark = pytest.mark.live
LOCALHOST = api.SecurityProfile.Localhost
IMAGE = api.ImageSpec(image=BUSYBOX)


def mount(**fields: Any) -> dict[str, Any]:
    return {"mounts": [api.Mount(**{"container_path": "/m", **fields})]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"security": {"seccomp": {"profile_type": LOCALHOST, "localhost_ref": "/none.json"}}}, "/none.json"),
        ({"command": ["no-such-program"]}, "no-such-program"),
        ({"image": "localhost/user:missing"}, "nobody-knows"),
        ({"image": "localhost/none"}, "localhost/none"),
        ({"security": {"run_as_username": "ghost"}}, "ghost"),
        (mount(host_path="/etc/passwd/below-a-file"), "/etc/passwd/below-a-file"),
        (mount(host_path="/tmp", container_path="/etc/passwd/below-a-file"), "etc/passwd"),
        (mount(image=IMAGE, readonly=True, image_sub_path="none"), "none"),
        (mount(image=IMAGE), "read-only"),
        ({"CDI_devices": [api.CDIDevice(name="vendor.test/gpu=none")]}, "vendor.test/gpu=none"),
        ({"devices": [api.Device(host_path="/etc/passwd", container_path="/dev/x")]}, "/etc/passwd"),
        ({"working_dir": "relative"}, "relative"),
        ({"working_dir": "/etc/passwd"}, "/etc/passwd"),
        ({"resources": {"cpuset_cpus": "4000"}}, "cpuset"),
        ({"resources": {"cpuset_cpus": "junk"}}, "cpuset"),
        ({"log_path": "../../cri.sock/below"}, "cri.sock"),
        ({"log_path": "../../logs"}, "logs"),
    ],
    ids=str,
)
def test_a_failing_container_leaves_nothing(service: Service, fields: dict[str, Any], words: str) -> None:
    with service.pod() as pod:
        pod.start()
        with pytest.raises(grpc.RpcError) as caught:
            pod.start(*fields.get("command", ["true"]), **{k: v for k, v in fields.items() if k != "command"})
        assert words in caught.value.details()
        assert not re.match(r"[A-Z]\w*Error: ", caught.value.details())  # the name of a Python exception
        census.check(service)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pod: pod.config.linux.sysctls.update({"net.ipv4.nothing": "1"}), "net.ipv4.nothing"),
        (lambda pod: setattr(pod.config, "log_directory", "/etc/passwd/below"), "/etc/passwd/below"),
        (lambda pod: setattr(pod.config, "log_directory", "relative"), "relative"),
        (lambda pod: setattr(pod.config, "hostname", "x" * 65), "hostname"),
        (lambda pod: pod.config.dns_config.servers.append("1.2.3.4\nevil"), "DNS"),
        (lambda pod: setattr(pod, "handler", "none"), "none"),
    ],
)
def test_a_failing_sandbox_leaves_nothing(service: Service, change: Callable[[Pod], None], words: str) -> None:
    with service.pod() as running:
        running.start()
        pod = service.pod()
        change(pod)
        with pytest.raises(grpc.RpcError) as caught:
            pod.run()
        assert words in caught.value.details()
        census.check(service)


def test_a_failing_network_plugin_is_undone(service: Service, tmp_path: Path) -> None:
    """The last plugin of the chain fails: what the first ones did is taken back."""
    configuration = service.directory / "net.d/1.conflist"
    good = configuration.read_text()
    conf = json.loads(good)
    conf["plugins"].append({"type": "bandwidth", "runtimeConfig": {}, "ingressRate": -1, "ingressBurst": -1})
    with service.pod():
        configuration.write_text(json.dumps(conf))
        try:
            mapping = api.PortMapping(container_port=80, host_port=18080)
            with pytest.raises(grpc.RpcError) as caught:
                service.pod(port_mappings=[mapping]).run()
        finally:
            configuration.write_text(good)
        assert "failed to set up the network of pod tests/" in caught.value.details()
        census.check(service)


@pytest.fixture
def broken(own_service: Service, tmp_path: Path) -> Callable[[str], str]:
    """Sets up a handler whose OCI runtime runs a script instead of ``create``; returns the handler's name."""

    def configure(script: str) -> str:
        runtime = tmp_path / "crun-test"
        real = subprocess.run(["which", own_service.handler], capture_output=True, text=True, check=True).stdout.strip()
        runtime.write_text(
            f'#!/bin/sh\nREAL={real}\nfor word in "$@"; do\ncase "$word" in create) {script}\n;; esac\ndone\n'
            f'exec {real} "$@"\n'
        )
        runtime.chmod(0o755)
        own_service.restart_with(f'[crio.runtime.runtimes.broken]\nruntime_path = "{runtime}"\n')
        return "broken"

    return configure


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo out of luck >&2; exit 1", "out of luck"),
        ("kill -9 $$", "the OCI runtime"),
        ("exit 0", "the OCI runtime"),
        ('"$REAL" "$@"; exit 1', "the OCI runtime ended"),
    ],
    ids=["refuses", "is killed", "does nothing", "fails when it is done"],
)
def test_a_broken_runtime_leaves_nothing(
    own_service: Service, broken: Callable[[str], str], script: str, words: str
) -> None:
    service = own_service
    handler = broken(script)
    with service.pod(handler=handler) as pod, service.pod() as other:
        other.start()
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("sleep", "1000")
        assert words in caught.value.details()
        census.check(service)
        with pytest.raises(grpc.RpcError) as caught:  # its holder of the PID namespace is such a container as well
            service.pod(handler=handler, pid=api.POD).run()
        assert words in caught.value.details()
        census.check(service)


def test_a_runtime_killed_at_work_leaves_nothing(own_service: Service, broken: Callable[[str], str]) -> None:
    service = own_service
    handler = broken('"$REAL" "$@" & sleep 0.0$(($$ % 5)); kill -9 $!; wait $!; exit 1')
    with service.pod(handler=handler) as pod:
        for _ in range(6):
            try:
                container = pod.create("sleep", "1000")
            except grpc.RpcError:
                pass
            else:  # it was ready before the kill
                container.remove()
        census.check(service)


def creation(pod: Pod, name: str) -> api.CreateContainerRequest:
    """A request for a container that does nothing."""
    config = api.ContainerConfig(
        metadata={"name": name}, image={"image": BUSYBOX}, command=["true"], log_path=f"{name}.log"
    )
    return api.CreateContainerRequest(pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config)


def test_a_pod_is_removed_while_its_container_hangs_in_creation(
    own_service: Service, broken: Callable[[str], str]
) -> None:
    """The kubelet's call timed out; what it does next may not wait for ever, nor leave the container behind."""
    service = own_service
    pod = service.pod(handler=broken("exec sleep 1000")).run()
    with pytest.raises(grpc.RpcError) as caught:
        service.runtime.CreateContainer(creation(pod, "hangs"), timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    service.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod.id), timeout=30 * PATIENCE)
    service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id), timeout=30 * PATIENCE)
    census.check(service)


def test_many_hanging_creations_hold_up_nothing_else(own_service: Service, broken: Callable[[str], str]) -> None:
    service = own_service
    handler = broken("exec sleep 1000")
    with service.pod() as other:
        running = other.start()
        pod = service.pod(handler=handler).run()
        for number in range(14):
            with pytest.raises(grpc.RpcError):
                service.runtime.CreateContainer(creation(pod, f"hangs-{number}"), timeout=0.1)
        assert running.shell("echo alive") == "alive\n"
        stats = api.ContainerStatsRequest(container_id=running.id)
        assert service.runtime.ContainerStats(stats, timeout=20 * PATIENCE).stats.cpu.timestamp
        running.stop(1)
        running.remove()
        service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id), timeout=60 * PATIENCE)
        assert other.output("echo again") == "again\n"
    census.check(service)


def test_a_container_that_is_being_made_goes_with_its_pod(service: Service) -> None:
    for step in range(5):
        pod = service.pod().run()
        thread = threading.Thread(target=_try, args=(pod,))
        thread.start()
        time.sleep(0.008 * step)
        service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id), timeout=20 * PATIENCE)
        thread.join()
    census.check(service)


def _try(pod: Pod) -> None:
    with contextlib.suppress(grpc.RpcError):
        pod.start()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Service]:
    """A service whose store and state lie on a file system of 24 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    root, runroot = disk / "root", disk / "run"
    try:
        oci_layout.write(tmp_path / "layout", {"Cmd": ["sh"], "Env": ["PATH=/bin"]}, oci_layout.busybox_layer())
        oci_layout.load(f"[overlay@{root}+{runroot}]", tmp_path / "layout", BUSYBOX)
        service = Service(disk / "cri", "crun", root, runroot)
        service.start()
        try:
            yield service
        finally:
            service.clean()
    finally:
        mounts.unmount_tree(str(disk))


def test_a_full_disk_is_told_and_leaves_nothing(small_disk: Service) -> None:
    service = small_disk
    full = service.directory / "full"

    def fill() -> None:
        with full.open("wb", buffering=0) as stream:
            try:
                while stream.write(b"x" * 65536):
                    pass
            except OSError:
                pass
        subprocess.run(["sh", "-c", f"cat /dev/zero >> {full}"], capture_output=True, check=False)

    with service.pod() as pod:
        lasting = pod.start("sh", "-c", "trap 'exit 3' TERM; while true; do sleep 0.1; done")
        fill()
        for call in (lambda: service.pod().run(), lambda: pod.create("true")):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert "No space left on device" in caught.value.details()
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        lasting.stop(5)
        assert lasting.status.state == api.CONTAINER_EXITED
        full.unlink()
        census.check(service)
        assert pod.output("echo fine") == "fine\n"
        with service.pod() as other:
            assert other.output("echo fine") == "fine\n"
