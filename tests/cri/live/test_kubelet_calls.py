"""Issue 4: the calls of upstream's kubelet 1.36, in its order and with its arguments, and what it relies on in each answer.

Its binary is not to be had here (Debian's is 1.20 and speaks v1alpha2), so its side is written out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import census, oci_layout
from tests.cri.live.cri_service import Service, until
from tests.cri.live.layout_server import LayoutServer

pytestmark = pytest.mark.live
UID = "5c3ac8a1-6f3f-4d5c-9a3e-0e3f4d1f7a11"
POD = {
    "io.kubernetes.pod.name": "web",
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": UID,
}
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
CONTAINER_OPTIONS = api.NamespaceOption(network=api.POD, pid=api.CONTAINER, ipc=api.POD)


def sandbox_config(service: Service) -> Any:
    logs = service.directory / "pods" / f"default_web_{UID}"
    return api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name="web", uid=UID, namespace="default", attempt=0),
        hostname="web",
        log_directory=str(logs),
        dns_config=api.DNSConfig(
            servers=["10.96.0.10"],
            searches=["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            options=["ndots:5"],
        ),
        labels={**POD, "app": "web"},
        annotations={"kubernetes.io/config.source": "api", "kubernetes.io/config.seen": "2026-11-27T22:00:00Z"},
        linux=api.LinuxPodSandboxConfig(
            cgroup_parent=service.cgroup_parent(f"pod{UID}"),
            security_context=api.LinuxSandboxSecurityContext(
                namespace_options=CONTAINER_OPTIONS,
                seccomp=api.SecurityProfile(profile_type=api.SecurityProfile.RuntimeDefault),
            ),
            resources=api.LinuxContainerResources(cpu_period=100000, cpu_shares=102, memory_limit_in_bytes=64 << 20),
            overhead=api.LinuxContainerResources(),
        ),
    )


def container_config(service: Service, image: str, name: str, attempt: int) -> Any:
    volumes = service.directory / "kubelet-pod"
    (volumes / "containers/c").mkdir(parents=True, exist_ok=True)
    message = volumes / f"containers/c/{attempt}"
    message.touch()
    (volumes / "etc-hosts").write_text("127.0.0.1 localhost\n")
    return api.ContainerConfig(
        metadata=api.ContainerMetadata(name="c", attempt=attempt),
        image=api.ImageSpec(image=image, user_specified_image=name),
        command=["sh", "-c"],
        args=["echo started; trap 'echo bye > /dev/termination-log; exit 3' TERM; while :; do sleep 0.05; done"],
        envs=[api.KeyValue(key="KUBERNETES_SERVICE_HOST", value="10.96.0.1")],
        mounts=[
            api.Mount(host_path=str(volumes / "etc-hosts"), container_path="/etc/hosts"),
            api.Mount(host_path=str(message), container_path="/dev/termination-log"),
        ],
        labels={**POD, "io.kubernetes.container.name": "c"},
        annotations={
            "io.kubernetes.container.hash": "30247dac",
            "io.kubernetes.container.restartCount": str(attempt),
            "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
            "io.kubernetes.container.terminationMessagePolicy": "File",
            "io.kubernetes.pod.terminationGracePeriod": "30",
        },
        log_path=f"c/{attempt}.log",
        linux=api.LinuxContainerConfig(
            resources=api.LinuxContainerResources(
                cpu_period=100000, cpu_shares=102, memory_limit_in_bytes=64 << 20, oom_score_adj=1000
            ),
            security_context=api.LinuxContainerSecurityContext(
                capabilities=api.Capability(),
                namespace_options=CONTAINER_OPTIONS,
                seccomp=api.SecurityProfile(profile_type=api.SecurityProfile.RuntimeDefault),
                masked_paths=MASKED,
                readonly_paths=READ_ONLY,
            ),
        ),
    )


def relist(service: Service) -> tuple[dict[str, int], dict[str, int]]:
    """The generic PLEG: everything, without filters."""
    sandboxes = service.runtime.ListPodSandbox(api.ListPodSandboxRequest(filter=api.PodSandboxFilter())).items
    containers = service.runtime.ListContainers(api.ListContainersRequest(filter=api.ContainerFilter())).containers
    return {s.id: s.state for s in sandboxes}, {c.id: c.state for c in containers}


def start_up(service: Service) -> None:
    version = service.runtime.Version(api.VersionRequest(version="0.1.0"))
    assert version.runtime_api_version == "v1"
    assert version.runtime_name
    assert version.runtime_version
    service.runtime.RuntimeConfig(api.RuntimeConfigRequest())
    status = service.runtime.Status(api.StatusRequest(verbose=False))
    assert {c.type: c.status for c in status.status.conditions} == {"RuntimeReady": True, "NetworkReady": True}
    assert "" in {h.name for h in status.runtime_handlers}
    filesystem = service.images.ImageFsInfo(api.ImageFsInfoRequest())
    assert filesystem.image_filesystems[0].fs_id.mountpoint
    assert filesystem.container_filesystems[0].fs_id.mountpoint
    service.images.ListImages(api.ListImagesRequest())
    network = api.NetworkConfig(pod_cidr=f"{service.subnet}.0/24")
    service.runtime.UpdateRuntimeConfig(api.UpdateRuntimeConfigRequest(runtime_config={"network_config": network}))


@pytest.fixture
def image(own_service: Service, tmp_path: Path, busybox_layer: bytes) -> Any:
    server = LayoutServer()
    oci_layout.write(tmp_path / "layout", {"Env": ["PATH=/bin"], "Labels": {"for": str(tmp_path)}}, busybox_layer)
    own_service.trust(server.host)
    yield server.add("web", tmp_path / "layout")
    server.close()


def test_a_pod_from_the_start_of_the_kubelet_to_its_garbage_collection(own_service: Service, image: str) -> None:
    service = own_service
    runtime, images = service.runtime, service.images
    start_up(service)
    assert relist(service) == ({}, {})

    # SyncPod: the sandbox, then the image, then the container.
    config = sandbox_config(service)
    os.makedirs(config.log_directory)
    sandbox = runtime.RunPodSandbox(api.RunPodSandboxRequest(config=config, runtime_handler="")).pod_sandbox_id
    status = runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id=sandbox, verbose=False)).status
    assert (status.state, status.metadata) == (api.SANDBOX_READY, config.metadata)
    assert status.network.ip.startswith(service.subnet)
    assert (dict(status.labels), dict(status.annotations)) == (dict(config.labels), dict(config.annotations))
    assert not images.ImageStatus(api.ImageStatusRequest(image=api.ImageSpec(image=image))).HasField("image")
    pulled = images.PullImage(api.PullImageRequest(image=api.ImageSpec(image=image), sandbox_config=config)).image_ref
    present = images.ImageStatus(api.ImageStatusRequest(image=api.ImageSpec(image=image))).image
    assert present.id == pulled
    assert present.size > 0
    assert present.uid.value == 0

    def start(attempt: int) -> str:
        made = container_config(service, present.id, image, attempt)
        asked = api.CreateContainerRequest(pod_sandbox_id=sandbox, config=made, sandbox_config=config)
        container_id = str(runtime.CreateContainer(asked).container_id)
        runtime.StartContainer(api.StartContainerRequest(container_id=container_id))
        return container_id

    def status_of(container_id: str) -> Any:
        return runtime.ContainerStatus(api.ContainerStatusRequest(container_id=container_id, verbose=False)).status

    container = start(0)
    found = status_of(container)
    assert (found.state, found.image.image, found.image_id) == (api.CONTAINER_RUNNING, image, present.id)
    assert found.image_ref.endswith(tuple(d.partition("@")[2] for d in present.repo_digests))
    assert found.started_at >= found.created_at > 0
    assert found.log_path == f"{config.log_directory}/c/0.log"
    assert dict(found.annotations)["io.kubernetes.container.hash"] == "30247dac"
    assert [m.container_path for m in found.mounts] == ["/etc/hosts", "/dev/termination-log"]
    assert found.resources.linux.memory_limit_in_bytes == 64 << 20
    assert relist(service) == ({sandbox: api.SANDBOX_READY}, {container: api.CONTAINER_RUNNING})

    # Probes, resizes, logs, statistics.
    probe = runtime.ExecSync(api.ExecSyncRequest(container_id=container, cmd=["cat", "/etc/hosts"], timeout=1))
    assert (probe.exit_code, probe.stdout) == (0, b"127.0.0.1 localhost\n")
    with pytest.raises(grpc.RpcError) as caught:
        runtime.ExecSync(api.ExecSyncRequest(container_id=container, cmd=["sleep", "9"], timeout=1))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    limits = api.LinuxContainerResources(cpu_period=100000, cpu_shares=204, memory_limit_in_bytes=96 << 20)
    runtime.UpdateContainerResources(api.UpdateContainerResourcesRequest(container_id=container, linux=limits))
    assert status_of(container).resources.linux.memory_limit_in_bytes == 96 << 20
    log = Path(found.log_path)
    until(lambda: "started" in log.read_text())
    log.rename(f"{log}.20261127-220000")
    runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container))
    assert log.exists()
    listed = runtime.ListContainerStats(api.ListContainerStatsRequest(filter=api.ContainerStatsFilter())).stats
    assert [s.attributes.id for s in listed] == [container]
    assert listed[0].memory.working_set_bytes.value > 0

    # The kubelet restarts the container after its liveness probe has failed; the old one stays for its logs.
    runtime.StopContainer(api.StopContainerRequest(container_id=container, timeout=30))
    ended = status_of(container)
    assert (ended.state, ended.exit_code, ended.reason) == (api.CONTAINER_EXITED, 3, "Error")
    assert ended.finished_at >= ended.started_at
    assert (service.directory / "kubelet-pod/containers/c/0").read_text() == "bye\n"
    second = start(1)
    assert status_of(second).metadata.attempt == 1

    # A restart of the kubelet: everything is found by the labels it set.
    start_up(service)
    by_pod = api.ContainerFilter(label_selector={"io.kubernetes.pod.uid": UID})
    both = runtime.ListContainers(api.ListContainersRequest(filter=by_pod)).containers
    assert {c.id: c.metadata.attempt for c in both} == {container: 0, second: 1}
    assert all(c.pod_sandbox_id == sandbox for c in both)

    # killPod, then the garbage collectors of containers, sandboxes and images.
    runtime.StopContainer(api.StopContainerRequest(container_id=second, timeout=30))
    runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=sandbox))
    assert relist(service)[0] == {sandbox: api.SANDBOX_NOTREADY}
    with pytest.raises(grpc.RpcError):
        images.RemoveImage(api.RemoveImageRequest(image=api.ImageSpec(image=present.id)))
    for container_id in (container, second):
        runtime.RemoveContainer(api.RemoveContainerRequest(container_id=container_id))
        with pytest.raises(grpc.RpcError) as caught:
            status_of(container_id)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=sandbox))
    runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=sandbox))
    images.RemoveImage(api.RemoveImageRequest(image=api.ImageSpec(image=present.id)))
    assert present.id not in {i.id for i in images.ListImages(api.ListImagesRequest()).images}
    assert relist(service) == ({}, {})
    assert log.exists()  # the kubelet's to delete
    census.check(service)
