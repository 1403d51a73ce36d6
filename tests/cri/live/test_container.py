"""Issue 4, points 1 and 2: containers, their states, logs and exits under conmon."""

from __future__ import annotations

import os
import tarfile
import threading
import time
from pathlib import Path

import grpc
import pytest

from linux import cgroups
from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import PATIENCE, Service, until

pytestmark = pytest.mark.live


def test_states_times_and_reasons(service: Service) -> None:
    with service.pod() as pod:
        container = pod.create("sh", "-c", "exit 3", labels={"a": "b"}, annotations={"c": "d"})
        status = container.status
        assert status.state == api.CONTAINER_CREATED
        assert status.created_at > 0
        assert status.started_at == status.finished_at == 0
        container.start()
        status = container.wait()
        assert (status.exit_code, status.reason) == (3, "Error")
        assert status.created_at <= status.started_at <= status.finished_at
        assert (dict(status.labels), dict(status.annotations)) == ({"a": "b"}, {"c": "d"})
        assert status.image.image == "localhost/busybox:latest"
        assert "@sha256:" in status.image_ref
        assert len(status.image_id) == 64
        good = pod.start("true").wait()
        assert (good.exit_code, good.reason) == (0, "Completed")


def test_arguments_environment_and_directory_come_from_image_and_container(service: Service) -> None:
    with service.pod() as pod:
        envs = [api.KeyValue(key="MINE", value="x y"), api.KeyValue(key="FROM_IMAGE", value="no")]
        out = pod.output("pwd; echo $FROM_IMAGE $MINE; echo $HOSTNAME", envs=envs)
        assert out == f"/data\nno x y\n{pod.name}\n"
        assert pod.output("pwd", working_dir="/tmp") == "/tmp\n"
        assert pod.output("pwd", working_dir="/not/in/the/image") == "/not/in/the/image\n"
        container = pod.create(name="cmd", image="localhost/user:uid")  # the image's own command
        container.start()
        container.wait()
        assert "uid=1002" in container.logs()
        container = pod.create(name="args", args=["echo", "from args"])  # replace the image's command
        container.start()
        container.wait()
        assert container.logs() == "from args\n"
        with pytest.raises(grpc.RpcError) as caught:
            pod.create(name="none", image="localhost/stop:usr1")
        assert "no command specified" in caught.value.details()


def test_a_missing_command_is_named_in_the_error_and_leaves_nothing(service: Service) -> None:
    with service.pod() as pod:
        before = set(os.listdir(service.state / "containers"))
        with pytest.raises(grpc.RpcError) as caught:
            pod.start("no-such-program")
        assert "no-such-program" in caught.value.details()
        if service.handler == "crun":
            assert set(os.listdir(service.state / "containers")) == before


@pytest.mark.parametrize(
    ("image", "code", "words"),
    [
        ("localhost/none:latest", grpc.StatusCode.NOT_FOUND, "localhost/none:latest"),
        ("localhost/user:missing", grpc.StatusCode.INVALID_ARGUMENT, "nobody-knows"),
    ],
)
def test_a_missing_image_or_user_is_named_and_leaves_nothing(
    service: Service, image: str, code: grpc.StatusCode, words: str
) -> None:
    with service.pod() as pod:
        before = set(os.listdir(service.state / "containers"))
        layers = (service.root / "overlay-layers/layers.json").read_text()
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", image=image)
        assert caught.value.code() == code
        assert words in caught.value.details()
        assert set(os.listdir(service.state / "containers")) == before
        assert (service.root / "overlay-layers/layers.json").read_text() == layers


def test_a_repeated_create_joins_the_first(service: Service) -> None:
    with service.pod() as pod:
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(pod.create("sleep", "9", name="same").id)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 3
        assert len(set(found)) == 1


def test_stop_honours_signal_and_grace(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "trap 'exit 7' TERM; while true; do sleep 0.05; done")
        time.sleep(0.2)
        container.stop(5)
        assert container.status.exit_code == 7
        stubborn = pod.start("sh", "-c", "trap '' TERM; while true; do sleep 0.05; done")
        time.sleep(0.2)
        begun = time.monotonic()
        stubborn.stop(1)
        assert 0.9 < time.monotonic() - begun < 3 * PATIENCE
        assert stubborn.status.exit_code == 137
        usr1 = pod.start("sh", "-c", "trap 'exit 9' USR1; while true; do sleep 0.05; done", image="localhost/stop:usr1")
        time.sleep(0.2)
        usr1.stop(5)
        assert usr1.status.exit_code == 9
        assert usr1.status.stop_signal == api.SIGUSR1


def test_stop_is_idempotent_and_keeps_the_first_end(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "exit 4")
        first = container.wait()
        for _ in range(2):
            container.stop(5)
        again = container.status
        assert (again.exit_code, again.finished_at, again.reason) == (4, first.finished_at, "Error")
        created = pod.create("sleep", "1000")
        begun = time.monotonic()
        for _ in range(2):
            created.stop(60)  # its process waits in the OCI runtime: there is no grace to give
        assert time.monotonic() - begun < 20 * PATIENCE
        assert created.status.state == api.CONTAINER_EXITED
        assert created.status.started_at == 0


def test_a_second_stop_with_less_grace_shortens_the_first(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "trap '' TERM; while true; do sleep 0.05; done")
        time.sleep(0.2)
        slow = threading.Thread(target=container.stop, args=(60,))
        slow.start()
        time.sleep(0.1)
        container.stop(0)
        slow.join(5 * PATIENCE)
        assert not slow.is_alive()


@pytest.mark.parametrize("state", ["created", "running", "stopped", "exited"])
def test_a_container_is_removed_in_every_state(service: Service, state: str) -> None:
    with service.pod() as pod:
        container = pod.create("true" if state == "exited" else "sleep", *([] if state == "exited" else ["1000"]))
        if state != "created":
            container.start()
        if state == "stopped":
            container.stop()
        if state == "exited":
            container.wait()
        for _ in range(2):
            container.remove()
        listed = service.runtime.ListContainers(api.ListContainersRequest(filter={"id": container.id}))
        assert not listed.containers
        assert not list(service.cgroup_directory(pod.name, "memory").glob(f"*{container.id}*"))
        assert container.id not in (service.root / "overlay-containers/containers.json").read_text()


def test_container_filters_are_and_ed(service: Service) -> None:
    with service.pod() as pod, service.pod() as other:
        created = pod.create("sleep", "9", labels={"a": "1", "b": "2"})
        running, elsewhere = pod.start(labels={"a": "1"}), other.start(labels={"a": "1"})

        def listed(**wanted: object) -> set[str]:
            request = api.ListContainersRequest(filter=api.ContainerFilter(**wanted))
            return {c.id for c in service.runtime.ListContainers(request).containers}

        assert {created.id, running.id, elsewhere.id} <= listed()
        assert listed(pod_sandbox_id=pod.id) == {created.id, running.id}
        assert listed(pod_sandbox_id=pod.id[:12], label_selector={"b": "2"}) == {created.id}
        runs = api.ContainerStateValue(state=api.CONTAINER_RUNNING)
        assert listed(pod_sandbox_id=pod.id, state=runs) == {running.id}
        assert listed(id=running.id[:12], label_selector={"a": "1"}) == {running.id}
        assert listed(id=running.id, pod_sandbox_id=other.id) == set()
        assert listed(label_selector={"a": "3"}) == set()
        short = api.ContainerStatusRequest(container_id=running.id[:12])
        assert service.runtime.ContainerStatus(short).status.id == running.id
        with pytest.raises(grpc.RpcError) as caught:  # a prefix of everything stands for nothing
            service.runtime.ContainerStatus(api.ContainerStatusRequest(container_id=""))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_unknown_objects(service: Service) -> None:
    runtime = service.runtime
    runtime.StopContainer(api.StopContainerRequest(container_id="unknown"))
    runtime.RemoveContainer(api.RemoveContainerRequest(container_id="unknown"))
    runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="unknown"))
    runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id="unknown"))
    service.images.RemoveImage(api.RemoveImageRequest(image={"image": "localhost/unknown:tag"}))
    for call in (
        lambda: runtime.ContainerStatus(api.ContainerStatusRequest(container_id="unknown")),
        lambda: runtime.StartContainer(api.StartContainerRequest(container_id="unknown")),
        lambda: runtime.ExecSync(api.ExecSyncRequest(container_id="unknown", cmd=["true"])),
        lambda: runtime.ContainerStats(api.ContainerStatsRequest(container_id="unknown")),
        lambda: runtime.UpdateContainerResources(api.UpdateContainerResourcesRequest(container_id="unknown")),
        lambda: runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id="unknown")),
        lambda: runtime.CheckpointContainer(api.CheckpointContainerRequest(container_id="unknown", location="/x")),
        lambda: runtime.Exec(api.ExecRequest(container_id="unknown", cmd=["true"], stdout=True)),
        lambda: runtime.Attach(api.AttachRequest(container_id="unknown", stdout=True)),
        lambda: runtime.PortForward(api.PortForwardRequest(pod_sandbox_id="unknown")),
        lambda: runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id="unknown")),
        lambda: runtime.PodSandboxStats(api.PodSandboxStatsRequest(pod_sandbox_id="unknown")),
        lambda: runtime.UpdatePodSandboxResources(api.UpdatePodSandboxResourcesRequest(pod_sandbox_id="unknown")),
        lambda: runtime.CreateContainer(api.CreateContainerRequest(pod_sandbox_id="unknown")),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_logs_are_in_cri_form_with_partial_lines(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "echo out; echo err >&2; printf half")
        container.wait()
        lines = [line.split(" ", 3) for line in container.raw_log().splitlines()]
        assert sorted((stream, tag, text) for _, stream, tag, text in lines) == [
            ("stderr", "F", "err"),
            ("stdout", "F", "out"),
            ("stdout", "P", "half"),
        ]
        assert all("T" in stamp and "." in stamp for stamp, *_ in lines)


def test_a_rotated_log_is_reopened(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "while true; do echo tick; sleep 0.05; done")
        log = Path(container.status.log_path)
        until(log.read_text)
        reopen = api.ReopenContainerLogRequest(container_id=container.id)
        service.runtime.ReopenContainerLog(reopen)  # not moved: nothing is lost
        assert log.read_text()
        moved = log.with_name(log.name + ".1")
        log.rename(moved)
        service.runtime.ReopenContainerLog(reopen)
        assert until(log.read_text).split(" ", 3)[3].startswith("tick")
        kept = moved.read_text()
        until(lambda: log.read_text().count("tick") > 3)
        assert moved.read_text() == kept
        container.stop()
        with pytest.raises(grpc.RpcError):
            service.runtime.ReopenContainerLog(reopen)


def test_no_line_is_lost_when_logs_are_rotated(service: Service) -> None:
    with service.pod() as pod:
        script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; sleep 0.3; echo end"
        container = pod.start("sh", "-c", script)
        log = Path(container.status.log_path)
        parts = []
        for number in range(5):
            until(log.exists)
            parts.append(log.rename(log.with_name(f"{log.name}.{number}")))
            service.runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container.id))
        container.wait()
        pieces = [line.split(" ", 3)[2:] for part in [*parts, log] for line in part.read_text().splitlines()]
        text = "".join(words + ("\n" if tag == "F" else "") for tag, words in pieces)
        assert text.splitlines() == [*(f"line {number}" for number in range(3000)), "end"]


def test_exec_sync_returns_output_code_and_obeys_its_time(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        answer = container.exec("sh", "-c", "echo out; echo err >&2; exit 5")
        assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 5)
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            container.exec("sh", "-c", "sleep 77 & sleep 78", timeout=1)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 3 * PATIENCE
        assert "sleep 7" not in container.shell("ps")
        with pytest.raises(grpc.RpcError) as caught:
            container.exec("no-such-program")
        assert "no-such-program" in caught.value.details()
        with pytest.raises(grpc.RpcError):
            container.exec()


def test_exec_sync_keeps_what_fits_a_message_and_drops_the_rest(service: Service) -> None:
    with service.pod() as pod:
        answer = pod.start().exec("sh", "-c", "head -c 17825792 /dev/zero; exit 2")
        assert 15 << 20 < len(answer.stdout) < 16 << 20
        assert answer.exit_code == 2


def test_exec_runs_with_the_containers_identity_and_limits(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start(security={"run_as_user": {"value": 1002}, "run_as_group": {"value": 1003}})
        assert container.shell("id -u; id -g; pwd") == "1002\n1003\n/data\n"


def test_an_oom_kill_is_told(service: Service) -> None:
    with service.pod() as pod:
        script = "x=a; while true; do x=$x$x; done"
        container = pod.start("sh", "-c", script, resources={"memory_limit_in_bytes": 15 << 20})
        status = container.wait(30)
        assert (status.exit_code, status.reason) == (137, "OOMKilled")


def test_limits_are_set_and_updated(service: Service) -> None:
    with service.pod() as pod:
        wanted = {"memory_limit_in_bytes": 64 << 20, "cpu_shares": 512, "cpu_quota": 20000, "cpu_period": 100000}
        container = pod.start(resources=wanted)
        assert container.status.resources.linux.memory_limit_in_bytes == 64 << 20
        unified = cgroups.detect().version == 2
        files = ("memory.max", "cpu.max") if unified else ("memory.limit_in_bytes", "cpu.cfs_quota_us")

        def limits() -> tuple[int, ...]:
            group = service.cgroup_name(container.id)
            directories = (service.cgroup_directory(pod.name, kind) / group for kind in ("memory", "cpu"))
            texts = [(where / file).read_text() for where, file in zip(directories, files, strict=True)]
            return tuple(int(text.split()[0]) for text in texts)

        assert limits() == (64 << 20, 20000)
        update = api.UpdateContainerResourcesRequest(
            container_id=container.id, linux={"memory_limit_in_bytes": 96 << 20, "cpu_quota": 30000}
        )
        service.runtime.UpdateContainerResources(update)
        assert limits() == (96 << 20, 30000)
        after = container.status.resources.linux
        assert (after.memory_limit_in_bytes, after.cpu_quota, after.cpu_shares) == (96 << 20, 30000, 512)
        lower = {"memory_limit_in_bytes": 32 << 20, "cpu_quota": 10000, "cpu_period": 50000}
        service.runtime.UpdateContainerResources(
            api.UpdateContainerResourcesRequest(container_id=container.id, linux=lower)
        )
        assert limits() == (32 << 20, 10000)
        assert container.status.resources.linux.cpu_period == 50000
        with pytest.raises(grpc.RpcError) as caught:
            service.runtime.UpdateContainerResources(
                api.UpdateContainerResourcesRequest(container_id=container.id, linux={"cpuset_cpus": "4000"})
            )
        assert "cpuset" in caught.value.details()
        assert container.status.resources.linux.cpuset_cpus == ""  # what failed is not told as if it were so
        container.stop()
        with pytest.raises(grpc.RpcError) as caught:
            service.runtime.UpdateContainerResources(update)
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_a_container_may_get_other_limits_before_it_starts(service: Service) -> None:
    with service.pod() as pod:
        container = pod.create("sleep", "1000", resources={"memory_limit_in_bytes": 64 << 20})
        service.runtime.UpdateContainerResources(
            api.UpdateContainerResourcesRequest(container_id=container.id, linux={"memory_limit_in_bytes": 96 << 20})
        )
        container.start()
        assert container.status.resources.linux.memory_limit_in_bytes == 96 << 20
        file = "memory.max" if cgroups.detect().version == 2 else "memory.limit_in_bytes"
        group = service.cgroup_directory(pod.name, "memory") / service.cgroup_name(container.id)
        assert int((group / file).read_text()) == 96 << 20


def test_events_follow_a_containers_life(service: Service) -> None:
    stream = service.runtime.GetContainerEvents(api.GetEventsRequest(), timeout=30)
    seen: list[tuple[str, int]] = []

    def listen() -> None:
        try:
            for event in stream:
                seen.append((event.container_id, event.container_event_type))
        except grpc.RpcError:
            pass

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(0.3)
    with service.pod() as pod:
        container = pod.start("true")
        container.wait()
        container.remove()
    wanted = [
        (pod.id, api.CONTAINER_CREATED_EVENT),
        (pod.id, api.CONTAINER_STARTED_EVENT),
        (container.id, api.CONTAINER_CREATED_EVENT),
        (container.id, api.CONTAINER_STARTED_EVENT),
        (container.id, api.CONTAINER_STOPPED_EVENT),
        (container.id, api.CONTAINER_DELETED_EVENT),
        (pod.id, api.CONTAINER_STOPPED_EVENT),
        (pod.id, api.CONTAINER_DELETED_EVENT),
    ]
    until(lambda: [e for e in seen if e[0] in (pod.id, container.id)] == wanted)
    stream.cancel()
    listener.join(5)


def test_a_checkpoint_is_written_or_the_lack_of_criu_told(service: Service, tmp_path: Path) -> None:
    """Neither leaves the container in another state than before."""
    archive = tmp_path / "checkpoint.tar"
    with service.pod() as pod:
        container = pod.start()
        request = api.CheckpointContainerRequest(container_id=container.id, location=str(archive))
        failure = ""
        try:
            service.runtime.CheckpointContainer(request)
        except grpc.RpcError as error:
            failure = error.details()
        if failure:
            assert "criu" in failure
            assert not archive.exists()
        else:
            with tarfile.open(archive) as written:
                assert "spec.dump" in written.getnames()
        assert container.shell("echo alive") == "alive\n"
        assert container.status.state == api.CONTAINER_RUNNING
        directory = service.state / "containers" / container.id
        assert not [path for path in directory.iterdir() if path.name.startswith("tmp")]
