"""Issue 4, points 2 and 9: the runtime may be killed at any moment."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import census
from tests.cri.live.cri_service import Container, Pod, Service, until

pytestmark = pytest.mark.live


def again(service: Service, pod: Pod, *containers: Container) -> None:
    """Start the runtime anew, and let the helpers talk to it."""
    service.start()
    for container in containers:
        container.runtime = service.runtime


def test_everything_is_found_again_and_no_exit_is_lost(own_service: Service) -> None:
    service = own_service
    pod = service.pod(labels={"keep": "me"}).run()
    lasting = pod.start("sh", "-c", "while true; do echo tick; sleep 0.05; done")
    ending = pod.start("sh", "-c", "sleep 0.5; exit 5")
    created = pod.create("sleep", "1000")
    ended = pod.start("sh", "-c", "exit 4")
    ended.wait()
    before = lasting.status
    pid = lasting.info["pid"]
    address = pod.status.network.ip
    service.kill()
    time.sleep(0.7)  # one container ends while nobody is there
    lines = lasting_lines = Path(before.log_path).read_text().count("\n")
    again(service, pod, lasting, ending, created, ended)
    assert lasting.status.state == api.CONTAINER_RUNNING
    assert lasting.info["pid"] == pid
    assert lasting.status.started_at == before.started_at
    assert (ending.status.state, ending.status.exit_code) == (api.CONTAINER_EXITED, 5)
    assert ended.status.exit_code == 4
    assert created.status.state == api.CONTAINER_CREATED
    assert pod.status.state == api.SANDBOX_READY
    assert dict(pod.status.labels) == {"keep": "me"}
    assert pod.status.network.ip == address
    until(lambda: Path(before.log_path).read_text().count("\n") > lasting_lines)
    assert lines >= 1
    created.start()
    assert created.shell("echo hi") == "hi\n"
    lasting.stop()
    assert lasting.status.exit_code == 137
    pod.__exit__()


def test_a_container_whose_conmon_was_killed_still_ends_in_order(own_service: Service) -> None:
    service = own_service
    with service.pod() as pod:
        container = pod.start("sleep", "2")
        monitor = int((service.state / "containers" / container.id / "conmon-pidfile").read_text())
        os.kill(monitor, signal.SIGKILL)
        status = container.wait(15)
        assert status.exit_code == 255


def _new(path: Path) -> Callable[[], object]:
    """A file that changes: its inode is another one, as it is replaced by rename."""
    before = path.stat().st_ino if path.exists() else 0
    return lambda: path.exists() and path.stat().st_ino != before


def _stages(service: Service) -> dict[str, Callable[[Pod], Callable[[], object]]]:
    """Moments in the life of a pod, each by what shows on the host when it has come."""
    state, store = service.state, service.root

    def found(pattern: str) -> Callable[[Pod], Callable[[], object]]:
        return lambda _: lambda: next(iter(state.glob(pattern)), None)

    def gone(pattern: str) -> Callable[[Pod], Callable[[], object]]:
        # What goes has to be there first.
        seen: list[object] = []

        def condition() -> bool:
            there = next(iter(state.glob(pattern)), None)
            if there is not None:
                seen.append(there)
            return bool(seen) and there is None

        return lambda _: condition

    return {
        "sandbox recorded": found("sandboxes/*/state.json"),
        "namespaces": found("sandboxes/*/ns/net"),
        "address": lambda _: lambda: next((service.directory / "ipam" / service.name).glob("10.*"), None),
        "container recorded": found("containers/*/state.json"),
        "layer": lambda _: _new(store / "overlay-layers/layers.json"),
        "container's layer": lambda _: _new(store / "overlay-containers/containers.json"),
        "mounted": lambda _: _new(service.runroot / "overlay-layers/mountpoints.json"),
        "configuration": found("containers/*/config.json"),
        "monitor": found("containers/*/conmon-pidfile"),
        "created": found("containers/*/pidfile"),
        "started": gone(f"oci/{service.handler}/*/exec.fifo"),
        "ended": found("exits/*"),
        "container's state gone": gone("containers/*/state.json"),
        "container's bundle gone": gone("containers/*/config.json"),
        "namespaces gone": gone("sandboxes/*/ns/net"),
        "sandbox's state gone": gone("sandboxes/*/state.json"),
    }


def test_killed_at_each_stage_nothing_is_left_half_made(own_service: Service) -> None:
    """Kill the runtime at each stage of a pod's life; the next life has no trace of what was not finished."""
    service = own_service
    with service.pod() as pod:
        pod.start()  # the bridge and the files of the network are there from now on
    for number, (stage, watch) in enumerate(_stages(service).items()):
        pod = service.pod(name=f"half-{number}")
        condition = watch(pod)
        done: list[str] = []

        def live(pod: Pod = pod, done: list[str] = done) -> None:
            with contextlib.suppress(grpc.RpcError):
                pod.run()
                done.append("pod")
                container = pod.create("sleep", "1000")
                done.append("container")
                container.start()
                container.stop()
                done.remove("container")
                container.remove()
                done.remove("pod")
                service.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod.id))
                service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id))

        thread = threading.Thread(target=live)
        thread.start()
        deadline = time.monotonic() + 10
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.0001)
        service.kill()
        thread.join()
        assert time.monotonic() < deadline, stage
        service.start()
        census.check(service, stage)
        sandboxes = service.runtime.ListPodSandbox(api.ListPodSandboxRequest()).items
        containers = service.runtime.ListContainers(api.ListContainersRequest()).containers
        assert len(containers) >= done.count("container"), stage
        assert len(sandboxes) >= done.count("pod"), stage
        for sandbox in sandboxes:
            service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=sandbox.id))
        census.check(service)
    with service.pod() as pod:
        assert pod.output("cat /data/file") == "from the image\n"
    census.check(service)


def test_a_lost_namespace_makes_the_sandbox_not_ready(own_service: Service) -> None:
    service = own_service
    pod = service.pod().run()
    service.kill()
    from linux import netns

    netns.unpin(str(service.state / "sandboxes" / pod.id / "ns/net"))
    service.start()
    assert pod.status.state == api.SANDBOX_NOTREADY
    service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id))


def test_a_damaged_state_file_costs_its_object_only(own_service: Service) -> None:
    service = own_service
    good, bad = service.pod().run(), service.pod().run()
    service.kill()
    (service.state / "sandboxes" / bad.id / "state.json").write_text("{not json")
    service.start()
    listed = {s.id for s in service.runtime.ListPodSandbox(api.ListPodSandboxRequest()).items}
    assert listed == {good.id}


def test_wipe_leaves_nothing(own_service: Service) -> None:
    service = own_service
    pod = service.pod(pid=api.POD).run()
    container = pod.start()
    pid = container.info["pid"]
    service.kill()
    (service.drop_ins / "50-broken.conf").write_text("[crio]\nroot = 5\n")  # what nobody needs any more stops nobody
    service.wipe()
    assert not service.state.exists()
    assert not Path(f"/proc/{pid}/exe").exists()
    assert str(service.state) not in Path("/proc/mounts").read_text()
    assert container.id not in (service.root / "overlay-containers/containers.json").read_text()
    service.wipe()  # once more is fine
