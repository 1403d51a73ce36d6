"""Issue 4, points 2 and 9: the runtime may be killed at any moment."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
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


def test_half_made_objects_are_taken_back(own_service: Service) -> None:
    """Kill the runtime at many moments of a pod's start; the next life has no trace of what was not finished."""
    service = own_service
    for step in range(8):
        pod = service.pod(name=f"half-{step}")
        done: list[str] = []

        def work(pod: Pod = pod, done: list[str] = done) -> None:
            try:
                pod.run()
                done.append("pod")
                pod.create("sleep", "1000")
                done.append("container")
            except grpc.RpcError:
                pass

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.012 * step)
        service.kill()
        thread.join()
        service.start()
        sandboxes = service.runtime.ListPodSandbox(api.ListPodSandboxRequest()).items
        containers = service.runtime.ListContainers(api.ListContainersRequest()).containers
        assert {s.id for s in sandboxes} == set(os.listdir(service.state / "sandboxes"))
        assert {c.id for c in containers} == set(os.listdir(service.state / "containers"))
        if "pod" in done:
            assert pod.id in {s.id for s in sandboxes}
        for sandbox in sandboxes:
            assert sandbox.state == api.SANDBOX_READY
            service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=sandbox.id))
    assert str(service.state / "sandboxes") not in Path("/proc/mounts").read_text()
    assert not list((service.directory / "ipam" / service.name).glob("10.*"))


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
    service.wipe()
    assert not service.state.exists()
    assert not Path(f"/proc/{pid}/exe").exists()
    assert str(service.state) not in Path("/proc/mounts").read_text()
    assert container.id not in (service.root / "overlay-containers/containers.json").read_text()
    service.wipe()  # once more is fine
