"""Pods on a real node: our API server, our runtime, crun, the kernel."""

import asyncio
import json
import subprocess
import time

import pytest

from apimachinery.errors import NotFound
from linux import cgroups, mounts

pytestmark = pytest.mark.live

IMAGE = "docker.io/library/busybox:t"


@pytest.fixture
async def api(live_node):
    client = live_node.client()
    yield client
    for pod in (await client.list("pods", "default"))["items"]:
        await client.delete("pods", pod["metadata"]["name"], "default", options={"gracePeriodSeconds": 0})
    await client.close()


def pod(name, *command, containers=None, **spec):
    main = {
        "name": "c",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command) or ["sleep", "1000"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": "livenode",
            "terminationGracePeriodSeconds": 1,
            "containers": containers or [main],
            **spec,
        },
    }


def condition(obj, kind):
    return next((c["status"] for c in (obj.get("status") or {}).get("conditions") or () if c["type"] == kind), None)


def ready(obj):
    return condition(obj, "Ready") == "True"


def container(obj, index=0):
    return ((obj.get("status") or {}).get("containerStatuses") or [{}])[index]


async def until(api, name, wanted, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        found = await api.get("pods", name, "default")
        if wanted(found):
            return found
        assert time.monotonic() < deadline, json.dumps(found.get("status"), indent=1)
        await asyncio.sleep(0.05)


async def gone(api, name, seconds=15):
    deadline = time.monotonic() + seconds
    while True:
        try:
            await api.get("pods", name, "default")
        except NotFound:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def logs(api, name, lines):
    """Read a pod's log once it has so many lines: a running container may not have written them yet."""
    deadline = time.monotonic() + 20
    while True:
        status, body = await api.raw("GET", f"/api/v1/namespaces/default/pods/{name}/log")
        assert status == 200, body
        if body.count(b"\n") >= lines or time.monotonic() > deadline:
            return body.decode()
        await asyncio.sleep(0.05)


async def test_a_pod_runs_and_leaves_nothing(api, live_node):
    await api.create("pods", pod("one", "sh", "-c", "echo hello; sleep 1000"), "default")
    found = await until(api, "one", ready)
    uid = found["metadata"]["uid"]
    assert found["status"]["phase"] == "Running"
    assert found["status"]["podIP"].startswith(live_node.subnet.removesuffix("0/24"))
    assert (await logs(api, "one", 1)) == "hello\n"
    await api.delete("pods", "one", "default")
    await gone(api, "one")
    await asyncio.sleep(0.5)
    assert not (live_node.home / "kubelet" / "pods" / uid).exists()
    assert not mounts.mounts_under(str(live_node.home / "kubelet"))
    assert not cgroups.detect().exists(f"{live_node.cgroup}/kubepods/besteffort/pod{uid}")


async def test_readiness_that_somebody_else_has_changed_is_put_right(api):
    await api.create("pods", pod("marked"))
    await until(api, "marked", ready)
    marked = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    await api.patch("pods", "marked", marked, "default", patch_type="strategic", subresource="status")
    await until(api, "marked", ready)


async def test_init_containers_sidecars_volumes_and_environment(api):
    await api.create(
        "configmaps",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"k": "v"}},
        "default",
    )
    mounts_ = [{"name": "d", "mountPath": "/d"}]
    init = {"name": "i", "image": IMAGE, "command": ["sh", "-c", "echo from-init > /d/f"], "volumeMounts": mounts_}
    side = {
        "name": "s", "image": IMAGE, "restartPolicy": "Always", "command": ["sh", "-c", "touch /tmp/up; sleep 1000"],
        "startupProbe": {"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1},
    }  # fmt: skip
    main = {
        "name": "c", "image": IMAGE, "command": ["sh", "-c", "cat /d/f /cm/k; echo; echo $K-$IP; sleep 1000; true"],
        "env": [
            {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "volumeMounts": [*mounts_, {"name": "cm", "mountPath": "/cm"}],
        "readinessProbe": {"exec": {"command": ["cat", "/cm/k"]}, "periodSeconds": 1},
    }  # fmt: skip
    volumes = [{"name": "d", "emptyDir": {}}, {"name": "cm", "configMap": {"name": "cm"}}]
    await api.create("pods", pod("two", containers=[main], initContainers=[init, side], volumes=volumes), "default")
    found = await until(api, "two", ready)
    assert (await logs(api, "two", 3)) == f"from-init\nv\nv-{found['status']['podIP']}\n"
    assert [s["ready"] for s in found["status"]["initContainerStatuses"]] == [True, True]
    path = f"/proc/{_pid_of('cat /d/f /cm/k')}/root/cm/k"
    await api.patch("configmaps", "cm", {"data": {"k": "new"}}, "default")
    deadline = time.monotonic() + 5
    while open(path).read() != "new":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def _pid_of(text):
    found = subprocess.run(["pgrep", "-f", text], capture_output=True, text=True, check=True).stdout.split()
    return found[0]


async def test_a_crashing_container_backs_off_and_a_finished_pod_succeeds(api):
    crash = pod("crash", "sh", "-c", "echo last words > /dev/termination-log; exit 3")
    await api.create("pods", crash, "default")
    await api.create("pods", pod("done", "true", restartPolicy="OnFailure"), "default")

    def backing_off(obj):
        return (container(obj).get("state", {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"

    found = await until(api, "crash", backing_off)
    one = container(found)
    assert (one["restartCount"], found["status"]["phase"]) == (1, "Running")
    assert one["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=c pod=crash_default("
    )
    assert (one["lastState"]["terminated"]["exitCode"], one["lastState"]["terminated"]["message"]) == (
        3,
        "last words\n",
    )
    finished = await until(api, "done", lambda o: o["status"].get("phase") == "Succeeded")
    assert container(finished)["state"]["terminated"]["reason"] == "Completed"


async def test_images_that_are_not_there(api):
    never = {"name": "never", "image": "nope:1", "imagePullPolicy": "Never"}
    bad = {"name": "bad", "image": "Not/VALID:x"}
    await api.create("pods", pod("images", containers=[never, bad]), "default")

    def told(obj):
        reasons = [
            ((s.get("state") or {}).get("waiting") or {}).get("reason")
            for s in obj["status"].get("containerStatuses") or ()
        ]
        return reasons == ["ErrImageNeverPull", "InvalidImageName"]

    await until(api, "images", told)


async def test_a_failing_liveness_probe_restarts(api):
    main = {
        "name": "c", "image": IMAGE, "command": ["sleep", "1000"],
        "livenessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1},
    }  # fmt: skip
    await api.create("pods", pod("live", containers=[main]), "default")
    await until(api, "live", lambda o: container(o).get("restartCount", 0) >= 1)


async def test_a_deadline_and_a_rejection_fail_the_pod(api):
    await api.create("pods", pod("late", activeDeadlineSeconds=1), "default")
    huge = pod("huge")
    huge["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000"}}
    await api.create("pods", huge, "default")
    failed = await until(api, "huge", lambda o: o["status"].get("phase") == "Failed")
    assert failed["status"]["reason"] == "OutOfcpu"
    failed = await until(api, "late", lambda o: o["status"].get("phase") == "Failed")
    assert failed["status"]["reason"] == "DeadlineExceeded"


async def test_kill_of_kubelet_and_runtime_is_not_noticed_by_containers(api, live_node):
    await api.create("pods", pod("steady"), "default")
    before = container(await until(api, "steady", ready))
    for name in ("kubelet", "cri"):
        live_node.kill(name)
        live_node.restart(name)
    await api.create("pods", pod("after"), "default")
    await until(api, "after", ready)
    after = await api.get("pods", "steady", "default")
    assert container(after) == before
    assert ready(after)


async def test_a_static_pod_and_its_mirror(api, live_node):
    static = pod("static")
    del static["spec"]["nodeName"]
    path = live_node.home / "manifests" / "static.yaml"
    path.write_text(json.dumps(static))

    async def mirrored(obj_ready):
        try:
            return obj_ready(await api.get("pods", "static-livenode", "default"))
        except NotFound:
            return False

    deadline = time.monotonic() + 15
    while not await mirrored(ready):
        assert time.monotonic() < deadline, live_node.log("kubelet")
        await asyncio.sleep(0.05)
    path.unlink()
    await gone(api, "static-livenode")
