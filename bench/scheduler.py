"""The scheduler's cost: cycles without I/O by size of the cluster, and CPU per pod against a real API server.

.venv/bin/python bench/scheduler.py [DIR]     # with DIR also the live part (etcd, API server, scheduler in DIR)
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scheduler.configuration import parse  # noqa: E402
from scheduler.cycle import schedule  # noqa: E402
from scheduler.pod_info import pod_info  # noqa: E402
from scheduler.snapshot import Snapshot  # noqa: E402

AMOUNTS = {"cpu": "32", "memory": "64Gi", "pods": "500"}


def node(name: str) -> dict:
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"z{hash(name) % 3}"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {"allocatable": AMOUNTS}}


def pod(number: int, **spec: object) -> dict:
    container = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    meta = {"name": f"p{number}", "namespace": "default", "uid": f"u{number}", "labels": {"app": "x"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], **spec}}


SPREAD = {
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "x"}},
        }
    ]
}


def cycles(nodes: int, pods: int, **spec: object) -> float:
    """Milliseconds of CPU per pod: parse, decide, assume."""
    snapshot = Snapshot(namespace_labels={"default": {}})
    for index in range(nodes):
        snapshot.set_node(node(f"n{index}"))
    profile = parse({}).profiles["default-scheduler"]
    objects = [pod(index, **spec) for index in range(pods)]
    begun = time.process_time()
    for index, obj in enumerate(objects):
        info = pod_info(obj)
        decision = schedule(profile, info, snapshot, index)
        snapshot.set_pod(info, decision.node_name)
    return (time.process_time() - begun) * 1000 / pods


async def live(directory: Path, count: int) -> None:
    from apimachinery.client.rest import Client
    from bench.run_apiserver import Pair

    pair = Pair(directory)
    pair.start()
    pair.wait_ready()
    log = (directory / "scheduler.log").open("wb")
    command = [sys.executable, "-m", "scheduler", f"--kubeconfig={directory}/scheduler.conf", "--secure-port=0"]
    process = subprocess.Popen(command, stderr=log, cwd=ROOT)
    client = Client.from_kubeconfig(f"{directory}/admin.conf", user_agent="bench")
    try:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "default"},
        }
        await client.create("serviceaccounts", account)
        await client.create("nodes", {"apiVersion": "v1", "kind": "Node", **node("n0")})
        await client.patch("nodes", "n0", {"spec": {"taints": None}})
        await asyncio.sleep(1.0)
        sent: dict[str, float] = {}
        delays: list[float] = []
        done = asyncio.Event()

        async def watch() -> None:
            async for _, obj in client.watch("pods", "default", resource_version="0"):
                name = obj["metadata"]["name"]
                if obj["spec"].get("nodeName") and name in sent:
                    delays.append(time.perf_counter() - sent.pop(name))
                    if len(delays) == count:
                        done.set()

        watching = asyncio.get_running_loop().create_task(watch())
        before = cpu_seconds(process.pid)
        begun = time.perf_counter()
        for index in range(count):
            obj = pod(index)
            del obj["metadata"]["uid"]
            sent[obj["metadata"]["name"]] = time.perf_counter()
            await client.create("pods", obj)
            await asyncio.sleep(0.01)
        await asyncio.wait_for(done.wait(), 60)
        took = time.perf_counter() - begun
        await asyncio.sleep(1.0)
        spent = cpu_seconds(process.pid) - before
        idle = cpu_seconds(process.pid)
        await asyncio.sleep(10.0)
        idle = cpu_seconds(process.pid) - idle
        watching.cancel()
        delays.sort()
        print(f"{count} pods one after the other in {took:.2f} s; scheduler CPU {spent * 1000 / count:.2f} ms per pod")
        middle, late = delays[count // 2] * 1000, delays[count * 99 // 100] * 1000
        print(f"create -> bound seen: p50 {middle:.1f} ms, p99 {late:.1f} ms")
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        pss = next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
        print(f"idle CPU {idle * 10:.2f} % of a core; memory {int(pss) / 1024:.1f} MB PSS")
    finally:
        await client.close()
        process.terminate()
        process.wait()
        pair.stop()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    for nodes, pods in ((1, 300), (100, 300), (1000, 100)):
        plain, spread = cycles(nodes, pods), cycles(nodes, pods, **SPREAD)
        print(f"{nodes:5} nodes: {plain:.3f} ms CPU per pod, {spread:.3f} ms with a spread constraint")
    if len(sys.argv) > 1:
        asyncio.run(live(Path(sys.argv[1]), 200))


if __name__ == "__main__":
    main()
