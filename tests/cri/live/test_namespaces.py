"""Issue 4, point 4: which namespaces a pod shares with the node, seen from within."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import Service, until

pytestmark = pytest.mark.live


@pytest.fixture
def segment() -> Iterator[str]:
    """A shared memory segment of the node."""
    words = subprocess.run(["ipcmk", "-M", "1048576"], capture_output=True, text=True, check=True).stdout.split()
    yield words[-1]
    subprocess.run(["ipcrm", "-m", words[-1]], check=True)


@pytest.mark.parametrize("mode", [api.NODE, api.POD])
def test_shared_memory_of_the_node(service: Service, segment: str, mode: int) -> None:
    with service.pod(ipc=mode) as pod:
        seen = [line.split()[1] for line in pod.start().shell("cat /proc/sysvipc/shm").splitlines()]
        assert (segment in seen) == (mode == api.NODE)


@pytest.mark.parametrize("mode", [api.NODE, api.POD])
def test_sockets_of_the_node(service: Service, mode: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, service.pod(network=mode) as pod:
        port = server.getsockname()[1]
        listening = pod.start().shell("cat /proc/net/tcp")
        assert (f"0100007F:{port:04X} " in listening) == (mode == api.NODE)


@pytest.mark.parametrize("mode", [api.NODE, api.POD, api.CONTAINER])
def test_processes_of_the_node_the_pod_and_the_container(service: Service, mode: int) -> None:
    with service.pod(pid=mode) as pod:
        one, two = pod.start("sleep", "4001"), pod.start("sleep", "4002")
        wanted = {"sleep 4001"} if mode == api.CONTAINER else {"sleep 4001", "sleep 4002"}
        until(lambda: wanted <= set(one.shell("ps -o args").splitlines()))
        assert ("sleep 4002" in one.shell("ps -o args")) == (mode != api.CONTAINER)
        if mode == api.NODE:
            pid = one.info["pid"]
            assert one.shell(f"cat /proc/{pid}/cmdline") == "sleep\x004001\0"
        else:
            first = "/pause\0" if mode == api.POD else "sleep\x004001\0"
            until(lambda: one.shell("cat /proc/1/cmdline") == first)
        two.stop()
        assert one.shell("echo alive") == "alive\n"


def test_sysctls_of_the_pods_own_namespaces(service: Service) -> None:
    wanted = {"kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "100", "net.ipv4.ip_local_port_range": "1024\t2000"}
    with service.pod(sysctls=wanted) as pod:
        container = pod.start()
        for name, value in wanted.items():
            assert container.shell(f"cat /proc/sys/{name.replace('.', '/')}").strip() == value
    assert Path("/proc/sys/kernel/shm_rmid_forced").read_text() == "0\n"


def test_sysctls_that_cannot_be_are_refused(service: Service) -> None:
    for name, value, words in (
        ("net.ipv4.no_such_key", "1", "net.ipv4.no_such_key"),
        ("net.ipv4.ip_forward", "junk", "net.ipv4.ip_forward=junk"),
        ("kernel.panic", "1", "not namespaced"),
        ("net/../kernel/panic", "1", "net/../kernel/panic"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            service.pod(sysctls={name: value}).run()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, name
        assert words in caught.value.details()
    for changes, name in (({"network": api.NODE}, "net.ipv4.ip_forward"), ({"ipc": api.NODE}, "kernel.shmall")):
        with pytest.raises(grpc.RpcError) as caught:
            service.pod(sysctls={name: "1"}, **changes).run()
        assert "shares the node's" in caught.value.details()


def test_a_pods_containers_share_network_and_names_but_not_files(service: Service) -> None:
    with service.pod() as pod:
        web = pod.start("sh", "-c", "echo started; exec httpd -f -p 8080 -h /data", name="web")
        other = pod.start("sh", "-c", "echo other; exec sleep 1000", name="other")
        page = "until wget -q -O - http://127.0.0.1:8080/file; do sleep 0.05; done"
        assert other.shell(page) == "from the image\n"
        for kind in ("net", "ipc", "uts"):
            script = f"readlink /proc/self/ns/{kind}"
            assert web.shell(script) == other.shell(script)
            assert web.shell(script).strip() != os.readlink(f"/proc/self/ns/{kind}")
        assert (web.logs(), other.logs()) == ("started\n", "other\n")
        web.shell("touch /data/mine")
        assert other.shell("ls /data") == "file\n"
        address = (pod.status.network.ip, 8080)
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(b"GET /file HTTP/1.0\r\n\r\n")
            assert connection.makefile("rb").read().endswith(b"from the image\n")
