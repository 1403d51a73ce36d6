"""What a pod asks for stands in the kernel's files, whichever kind of cgroups the host has."""

import json
from pathlib import Path

from e2e.cluster import Cluster, wait_for
from e2e.manifests import pod

UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers").exists()
# controller, its limit's file, what that says for the pod below
LIMITS = (
    [("memory", "memory.max", str(64 << 20)), ("cpu", "cpu.max", "50000 100000"), ("cpu", "cpu.weight", "4")]
    if UNIFIED
    else [
        ("memory", "memory.limit_in_bytes", str(64 << 20)),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.shares", "102"),
    ]
)


def groups(uid: str, controller: str) -> list[Path]:
    """A pod's cgroup and those below it, by either driver's names."""
    root = Path("/sys/fs/cgroup") if UNIFIED else Path("/sys/fs/cgroup", controller)
    names = {f"pod{uid}", f"pod{uid.replace('-', '_')}.slice"}
    found = [
        path
        for path in root.rglob("*pod*")
        if path.is_dir() and any(path.name == name or path.name.endswith("-" + name) for name in names)
    ]
    return [below for path in found for below in (path, *(child for child in path.iterdir() if child.is_dir()))]


def test_limits_stand_in_the_pods_and_the_containers_cgroup(cluster: Cluster, busybox: str, namespace: str):
    resources = {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
    cluster.apply(pod("limited", busybox, container={"resources": resources}), flags=["-n", namespace])
    cluster.wait_ready("app=limited", namespace=namespace)
    live = cluster.get("pod", "limited", "-n", namespace)
    uid = live["metadata"]["uid"]
    for controller, file, expected in LIMITS:
        found = groups(uid, controller)
        assert len(found) == 2
        assert {(path / file).read_text().strip() for path in found} == {expected}

    node = live["spec"]["nodeName"]

    def measured() -> dict:
        summary = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary").stdout)
        ours = [one for one in summary["pods"] if one["podRef"]["uid"] == uid]
        return ours[0] if ours and ours[0].get("memory", {}).get("workingSetBytes") else {}

    stats = wait_for("the pod is measured", measured)
    assert 0 < stats["memory"]["workingSetBytes"] <= 64 << 20
    assert stats["cpu"]["usageCoreNanoSeconds"] > 0

    cluster.kubectl("delete", "pod", "limited", "-n", namespace)
    wait_for("its cgroups are gone", lambda: not any(groups(uid, controller) for controller, _, _ in LIMITS))


def test_a_container_over_its_limit_is_oom_killed(cluster: Cluster, busybox: str, namespace: str):
    script = "x=a; while true; do x=$x$x; done"
    resources = {"limits": {"memory": "16Mi"}}
    greedy = pod("greedy", busybox, ["sh", "-c", script], container={"resources": resources}, restartPolicy="Never")
    cluster.apply(greedy, flags=["-n", namespace])

    def ended() -> dict:
        statuses = cluster.get("pod", "greedy", "-n", namespace)["status"].get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("terminated", {})

    state = wait_for("the container is killed", ended)
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)
