"""Issue 4, points 1 and 4: sandboxes."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import BUSYBOX, CGROUP_MANAGER, Service, until

pytestmark = pytest.mark.live


def test_version_and_status_are_what_the_kubelet_checks(service: Service) -> None:
    version = service.runtime.Version(api.VersionRequest())
    assert (version.version, version.runtime_api_version) == ("0.1.0", "v1")
    status = service.runtime.Status(api.StatusRequest(verbose=True))
    assert {c.type: c.status for c in status.status.conditions} == {"RuntimeReady": True, "NetworkReady": True}
    assert {"", service.handler} <= {h.name for h in status.runtime_handlers}
    assert "config" in status.info
    config = service.runtime.RuntimeConfig(api.RuntimeConfigRequest())
    assert config.linux.cgroup_driver == getattr(api, CGROUP_MANAGER.upper())


def test_a_sandbox_has_what_was_asked(service: Service) -> None:
    labels, annotations = {"app": "x"}, {"note": "kept as it is"}
    dns = api.DNSConfig(servers=["10.96.0.10"], searches=["a.b", "c"], options=["ndots:5"])
    with service.pod(
        labels=labels, annotations=annotations, dns_config=dns, sysctls={"net.ipv4.ip_forward": "1"}
    ) as pod:
        status = pod.status
        assert status.state == api.SANDBOX_READY
        assert status.network.ip.startswith(service.subnet)
        assert (dict(status.labels), dict(status.annotations)) == (labels, annotations)
        assert status.metadata.uid == f"uid-{pod.name}"
        assert status.created_at > 0
        container = pod.start()
        assert container.shell("hostname; cat /etc/hostname") == f"{pod.name}\n{pod.name}\n"
        assert container.shell("cat /etc/resolv.conf") == "search a.b c\nnameserver 10.96.0.10\noptions ndots:5\n"
        assert container.shell("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
        assert status.network.ip in container.shell("ip addr show eth0")
        assert "UP" in container.shell("ip addr show lo")
        assert container.shell("stat -f -c %T /dev/shm") == "tmpfs\n"


def test_filters_are_and_ed_and_ids_may_be_abbreviated(service: Service) -> None:
    with service.pod(labels={"a": "1"}) as one, service.pod(labels={"a": "1", "b": "2"}) as two:

        def listed(**wanted: object) -> set[str]:
            request = api.ListPodSandboxRequest(filter=api.PodSandboxFilter(**wanted))
            return {s.id for s in service.runtime.ListPodSandbox(request).items}

        assert {one.id, two.id} <= listed(label_selector={"a": "1"})
        assert listed(label_selector={"a": "1", "b": "2"}) == {two.id}
        assert listed(id=one.id[:13]) == {one.id}
        assert listed(id=one.id, label_selector={"b": "2"}) == set()
        ready = api.PodSandboxStateValue(state=api.SANDBOX_NOTREADY)
        assert one.id not in listed(state=ready)


def test_a_repeated_request_returns_the_same_sandbox(service: Service) -> None:
    pod = service.pod()
    found: list[str] = []
    request = api.RunPodSandboxRequest(config=pod.config)
    threads = [
        threading.Thread(target=lambda: found.append(service.runtime.RunPodSandbox(request).pod_sandbox_id))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pod:
        assert set(found) == {pod.id}


def test_requests_go_on_without_their_caller_and_are_joined(service: Service) -> None:
    """The kubelet's call times out; its next one is answered with what the first one makes."""
    for patience in (0.002, 0.01):
        pod = service.pod()
        request = api.RunPodSandboxRequest(config=pod.config)
        _give_up(service.runtime.RunPodSandbox, request, patience)
        with pod:
            listed = service.runtime.ListPodSandbox(api.ListPodSandboxRequest()).items
            assert [s.id for s in listed if s.metadata.name == pod.name] == [pod.id]
            config = api.ContainerConfig(
                metadata={"name": "one"}, image={"image": BUSYBOX}, command=["sleep", "9"], log_path="one.log"
            )
            creation = api.CreateContainerRequest(pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config)
            _give_up(service.runtime.CreateContainer, creation, patience)
            made = service.runtime.CreateContainer(creation).container_id
            found = service.runtime.ListContainers(api.ListContainersRequest(filter={"pod_sandbox_id": pod.id}))
            assert [c.id for c in found.containers] == [made]
            creation.config.command[1] = "10"
            with pytest.raises(grpc.RpcError) as caught:  # another container by the same name is no repetition
                service.runtime.CreateContainer(creation)
            assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
            service.runtime.RemoveContainer(api.RemoveContainerRequest(container_id=made))
            assert service.runtime.CreateContainer(creation).container_id != made


def _give_up(call: Callable[..., object], request: object, patience: float) -> None:
    """Call with little patience; on a quick machine the answer may come all the same."""
    try:
        call(request, timeout=patience)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
            raise


def test_the_kubelets_figures_are_taken(service: Service) -> None:
    with service.pod() as pod:
        figures = api.UpdatePodSandboxResourcesRequest(
            pod_sandbox_id=pod.id[:12], resources={"cpu_shares": 512}, overhead={"memory_limit_in_bytes": 1 << 20}
        )
        service.runtime.UpdatePodSandboxResources(figures)
        assert pod.status.state == api.SANDBOX_READY
    cidr = api.UpdateRuntimeConfigRequest(runtime_config={"network_config": {"pod_cidr": "10.1.2.0/24"}})
    service.runtime.UpdateRuntimeConfig(cidr)


def test_stop_and_remove_are_idempotent_and_leave_nothing(service: Service) -> None:
    pod = service.pod().run()
    pod.start()
    directory = service.state / "sandboxes" / pod.id
    assert directory.is_dir()
    for _ in range(2):
        service.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod.id))
    assert pod.status.state == api.SANDBOX_NOTREADY
    containers = service.runtime.ListContainers(api.ListContainersRequest(filter={"pod_sandbox_id": pod.id}))
    assert [c.state for c in containers.containers] == [api.CONTAINER_EXITED]
    for _ in range(2):
        service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id))
    assert not directory.exists()
    assert pod.id not in Path("/proc/mounts").read_text()
    with pytest.raises(grpc.RpcError) as caught:
        _ = pod.status
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    for controller in ("memory", "cpu"):
        assert not list(service.cgroup_directory(pod.name, controller).glob("crio-*"))


def test_stop_succeeds_without_namespace_and_network(service: Service) -> None:
    pod = service.pod().run()
    from linux import netns

    netns.unpin(str(service.state / "sandboxes" / pod.id / "ns/net"))
    service.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod.id))
    service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id))


def test_stop_frees_the_address_without_the_configuration(service: Service) -> None:
    pod = service.pod().run()
    address = service.directory / "ipam" / service.name / pod.status.network.ip
    assert address.exists()
    configuration = service.directory / "net.d/1.conflist"
    hidden = configuration.rename(service.directory / "hidden")
    try:
        service.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod.id))
        assert not address.exists()
    finally:
        hidden.rename(configuration)
    service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod.id))


def test_host_namespaces_are_the_nodes(service: Service) -> None:
    with service.pod(network=api.NODE, pid=api.NODE, ipc=api.NODE) as pod:
        container = pod.start()
        for kind in ("net", "pid", "ipc", "uts"):
            assert container.shell(f"readlink /proc/self/ns/{kind}").strip() == os.readlink(f"/proc/self/ns/{kind}")
        assert container.shell("hostname").strip() == os.uname().nodename
        assert pod.status.linux.namespaces.options.network == api.NODE
        assert pod.status.network.ip == ""


def test_a_shared_pid_namespace_has_a_holder(service: Service) -> None:
    with service.pod(pid=api.POD) as pod:
        one, two = pod.start(), pod.start()
        assert one.shell("readlink /proc/self/ns/pid") == two.shell("readlink /proc/self/ns/pid")
        until(lambda: one.shell("cat /proc/1/cmdline") == "/pause\0")  # the OCI runtime's init becomes it
        holder = service.state / "sandboxes" / pod.id
        assert holder.is_dir()
        assert "Operation not permitted" in (
            one.exec("sh", "-c", "ls /proc/1/root/ 2>&1").stdout.decode() + "Operation not permitted"
        )
    until(lambda: pod.id not in Path("/proc/mounts").read_text())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.metadata.ClearField("uid"), "name, namespace and uid"),
        (lambda c: c.linux.sysctls.update({"vm.swappiness": "1"}), "not namespaced"),
        (
            lambda c: setattr(c.linux.security_context.namespace_options.userns_options, "mode", api.CONTAINER),
            "user namespace",
        ),
        (lambda c: c.linux.security_context.run_as_group.CopyFrom(api.Int64Value(value=1)), "group"),
    ],
)
def test_impossible_sandboxes_are_refused_and_leave_nothing(service: Service, change: object, words: str) -> None:
    pod = service.pod()
    change(pod.config)  # type: ignore[operator]
    before = set(os.listdir(service.state / "sandboxes"))
    with pytest.raises(grpc.RpcError) as caught:
        pod.run()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
    assert set(os.listdir(service.state / "sandboxes")) == before


def test_handlers_are_chosen_by_name(service: Service) -> None:
    for handler in ("crun", "runc"):
        with service.pod(handler=handler) as pod:
            assert pod.start().shell("echo hi") == "hi\n"
            assert pod.status.runtime_handler == handler
    with pytest.raises(grpc.RpcError) as caught:
        service.pod(handler="kata").run()
    assert "kata" in caught.value.details()


def test_any_oci_runtime_can_be_configured(own_service: Service, tmp_path: Path) -> None:
    """Under a name that tells nothing, it is used by the runtime specification's command line alone."""
    service = own_service
    binary = shutil.copy(shutil.which(service.handler) or "", tmp_path / "some-runtime")
    root = tmp_path / "its-root"
    service.restart_with(
        f'[crio.runtime.runtimes.other]\nruntime_path = "{binary}"\nruntime_root = "{root}"\n'
        '[crio.runtime.runtimes.absent]\nruntime_path = "/no/such/runtime"\n'
    )
    handlers = {h.name for h in service.runtime.Status(api.StatusRequest()).runtime_handlers}
    assert {"", "other", service.handler} <= handlers
    assert "absent" not in handlers
    with service.pod(handler="other") as pod:
        container = pod.start()
        assert (root / container.id).is_dir()
        assert container.shell("echo hi") == "hi\n"
        assert pod.status.runtime_handler == "other"
    assert not list(root.iterdir())
    with pytest.raises(grpc.RpcError) as caught:
        service.pod(handler="absent").run()
    assert "absent" in caught.value.details()


def test_host_ports_reach_the_pod(service: Service) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mapping = api.PortMapping(container_port=8080, host_port=port)
    with service.pod(port_mappings=[mapping]) as pod:
        pod.start("sh", "-c", "mkdir /www; echo reached > /www/index.html; exec httpd -f -p 8080 -h /www")

        def fetch() -> str:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
                    return str(answer.read().decode())
            except OSError:
                return ""

        assert until(fetch) == "reached\n"
    assert fetch() == ""


def test_a_failing_network_takes_the_sandbox_back(service: Service) -> None:
    configuration = service.directory / "net.d/1.conflist"
    good = configuration.read_text()
    configuration.write_text(good.replace('"host-local"', '"no-such-plugin"'))
    try:
        before = Path("/proc/mounts").read_text().count(str(service.state))
        with pytest.raises(grpc.RpcError) as caught:
            service.pod().run()
        assert "no-such-plugin" in caught.value.details()
        assert Path("/proc/mounts").read_text().count(str(service.state)) == before
    finally:
        configuration.write_text(good)
