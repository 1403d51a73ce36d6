import json
import os
import signal
import time

import pytest

from e2e.cluster import Cluster, wait_for
from e2e.manifests import pod

PROGRAMS = ["etcd", "apiserver", "controllers", "scheduler", "kubelet", "proxy", "cri", "addons"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_is_back_and_containers_do_not_notice(
    cluster: Cluster, busybox: str, namespace: str, program: str
):
    cluster.apply(pod("steady", busybox), flags=["-n", namespace])
    before = cluster.wait_ready("app=steady", namespace=namespace)[0]["status"]["containerStatuses"][0]
    victim = cluster.program_pid(program)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()

    def back() -> bool:
        return cluster.program_pid(program) != victim

    wait_for(f"{program} is back", back, 10)
    came_back = time.monotonic() - killed
    wait_for("the API answers", lambda: cluster.kubectl("get", "nodes", check=False).returncode == 0, 30)
    cluster.apply(pod("after", busybox), flags=["-n", namespace])
    cluster.wait_ready("app=after", namespace=namespace)
    after = cluster.get("pod", "steady", "-n", namespace)["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"], after["ready"]) == (before["containerID"], 0, True)
    assert came_back < 5


@pytest.mark.parametrize("program", ["etcd", "apiserver"])
def test_no_acknowledged_write_is_lost(cluster: Cluster, namespace: str, program: str):
    acknowledged = []
    for number in range(40):
        if number == 20:
            os.kill(cluster.program_pid(program), signal.SIGKILL)
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"c{number}"},
            "data": {"n": str(number)},
        }
        made = cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(manifest), check=False)
        if made.returncode == 0:
            acknowledged.append(f"c{number}")
    wait_for("the API answers", lambda: cluster.kubectl("get", "nodes", check=False).returncode == 0, 30)
    there = {row["metadata"]["name"] for row in cluster.get("configmaps", "-n", namespace)["items"]}
    assert len(acknowledged) >= 20
    assert set(acknowledged) <= there


def test_an_exit_while_the_runtime_is_down_is_not_lost(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        pod("brief", busybox, ["sh", "-c", "sleep 2; exit 9"], restartPolicy="Never"), flags=["-n", namespace]
    )
    wait_for("it runs", lambda: cluster.get("pod", "brief", "-n", namespace)["status"]["phase"] == "Running")
    for program in ("cri", "kubelet"):
        os.kill(cluster.program_pid(program), signal.SIGKILL)
    live = wait_for(
        "the exit is told",
        lambda: (one := cluster.get("pod", "brief", "-n", namespace), one["status"]["phase"] == "Failed")[1] and one,
    )
    assert live["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 9
