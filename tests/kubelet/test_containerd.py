"""Issue 4: our kubelet on another runtime, Debian's containerd, with a root, state and socket of its own."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2, api_pb2_grpc
from tests.kubelet.conftest import IMAGE, image_archive, running_node, write_network
from tests.kubelet.test_live_pods import container, gone, logs, pod, ready, until

pytestmark = pytest.mark.live


def _configuration(home):
    plugins = next(p for p in ("/usr/lib/cni", "/opt/cni/bin") if shutil.which("bridge", path=p))
    # The pods' image serves as the sandboxes' too: all it has to do is sleep.
    return f"""
version = 2
root = "{home}/ctd"
state = "{home}/ctd-run"
oom_score = 0
[grpc]
address = "{home}/cri.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{home}/net.d"
"""


def _start_containerd(node):
    home = node.home
    write_network(node, "1.conflist")
    (home / "containerd.toml").write_text(_configuration(home))
    node.start("cri", "containerd", "--config", str(home / "containerd.toml"))
    image_archive(home / "image.tar")
    deadline = time.monotonic() + 30
    while _ctr(home, "images", "import", str(home / "image.tar")).returncode:
        assert time.monotonic() < deadline, node.log("cri")
        time.sleep(0.1)


def _ctr(home, *words):
    return subprocess.run(
        ["ctr", "--address", f"{home}/cri.sock", "--namespace", "k8s.io", *words], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def containerd_node(tmp_path_factory):
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    with running_node(tmp_path_factory.mktemp("c"), _start_containerd) as node:
        try:
            yield node
        finally:
            _remove_pods(node)


def _remove_pods(node):
    """Shims outlive containerd, so no sandbox may be left to them."""
    node.kill("kubelet", 15)
    with grpc.insecure_channel(f"unix://{node.home}/cri.sock") as channel:
        runtime = api_pb2_grpc.RuntimeServiceStub(channel)
        for sandbox in runtime.ListPodSandbox(api_pb2.ListPodSandboxRequest(), timeout=10).items:
            runtime.StopPodSandbox(api_pb2.StopPodSandboxRequest(pod_sandbox_id=sandbox.id), timeout=60)
            runtime.RemovePodSandbox(api_pb2.RemovePodSandboxRequest(pod_sandbox_id=sandbox.id), timeout=60)


def _kubectl(node, *words, stdin=""):
    program = Path(sys.executable).parent / "kubectl"
    command = [str(program), "--kubeconfig", str(node.home / "admin.conf"), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_pod_lives_on_containerd(containerd_node):
    node = containerd_node
    api = node.client()
    values = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"}, "data": {"k": "v"}}
    await api.create("configmaps", values, "default")
    mounts = [{"name": "d", "mountPath": "/d"}, {"name": "v", "mountPath": "/v"}]
    init = {"name": "i", "image": IMAGE, "command": ["sh", "-c", "cat /v/k > /d/f"], "volumeMounts": mounts}
    main = {
        "name": "c", "image": IMAGE, "command": ["sh", "-c", "echo hello; sleep 1000"], "volumeMounts": mounts,
        "readinessProbe": {"exec": {"command": ["cat", "/d/f"]}, "periodSeconds": 1},
        "resources": {"limits": {"memory": "64Mi"}},
    }  # fmt: skip
    volumes = [{"name": "d", "emptyDir": {}}, {"name": "v", "configMap": {"name": "values"}}]
    await api.create("pods", pod("one", containers=[main], initContainers=[init], volumes=volumes), "default")
    found = await until(api, "one", ready, 60)
    assert found["status"]["podIP"].startswith(node.subnet.removesuffix("0/24"))
    assert found["status"]["containerStatuses"][0]["containerID"].startswith("containerd://")
    facts = await api.get("nodes", "livenode")
    assert facts["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    assert await logs(api, "one", 1) == "hello\n"
    assert _kubectl(node, "exec", "one", "--", "cat", "/d/f") == "v"
    assert _kubectl(node, "exec", "-i", "one", "--", "cat", stdin="through and back") == "through and back"
    await api.delete("pods", "one", "default")
    await gone(api, "one", 60)
    await api.close()


async def test_ends_and_restarts_are_seen_on_containerd(containerd_node):
    node = containerd_node
    api = node.client()
    await api.create("pods", pod("fails", "sh", "-c", "exit 3", restartPolicy="Never"), "default")
    await api.create("pods", pod("again", "sh", "-c", "exit 0", restartPolicy="Always"), "default")
    found = await until(api, "fails", lambda p: p.get("status", {}).get("phase") == "Failed", 60)
    ended = container(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    await until(api, "again", lambda p: container(p).get("restartCount", 0) >= 1, 60)
    for name in ("fails", "again"):
        await api.delete("pods", name, "default")
        await gone(api, name, 60)
    await api.close()
