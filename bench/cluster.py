"""Start-up, pod start, idle CPU and memory of a whole cluster, against the figures of DESIGN section 4.

    .venv/bin/python bench/cluster.py [--pods 20] [--burst 30]

Makes a profile of its own, measures wall clock and CPU time (user+system of all the cluster's processes, containers'
helpers included), and deletes it. Root.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from e2e.cluster import Cluster, is_ready, wait_for
from e2e.images import build_busybox
from e2e.manifests import pod

TICK = os.sysconf("SC_CLK_TCK")
IMAGE = "localhost/bench:v1"


def descendants(root: int) -> set[int]:
    """A process and all below it."""
    found, todo = set(), [root]
    while todo:
        pid = todo.pop()
        found.add(pid)
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def supervisor(cluster: Cluster) -> int:
    return int(Path(f"/run/minikube-py/{cluster.profile}/supervisor.pid").read_text())


def cpu_seconds(cluster: Cluster) -> float:
    """User and system time of the cluster's programs, waited-for children included."""
    total = 0
    for pid in descendants(supervisor(cluster)):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICK


def memory_mb(cluster: Cluster) -> dict[str, float]:
    """PSS of each of the cluster's programs."""
    found: dict[str, float] = {}
    for pid in descendants(supervisor(cluster)):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        name = command[2].decode() if command[1:2] == [b"-m"] else Path(command[0].decode()).name
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        found[name] = found.get(name, 0.0) + pss / 1024
    return found


def watch_ready(cluster: Cluster, api, names: set[str]) -> dict[str, float]:
    """Moments at which pods become Ready, by watching."""
    from kubernetes import watch

    seen: dict[str, float] = {}
    for event in watch.Watch().stream(api.list_namespaced_pod, "default", timeout_seconds=60):
        raw = event["raw_object"]
        name = raw["metadata"]["name"]
        if name in names and name not in seen and is_ready(raw):
            seen[name] = time.monotonic()
            if len(seen) == len(names):
                break
    return seen


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pods", type=int, default=20)
    options.add_argument("--burst", type=int, default=30)
    options.add_argument("--idle", type=float, default=20.0)
    chosen = options.parse_args()
    cluster = Cluster.in_scratch(f"bench-{uuid.uuid4().hex[:6]}")
    results: dict[str, object] = {}
    try:
        begun = time.monotonic()
        cluster.start()
        results["start to Ready, wall s"] = round(time.monotonic() - begun, 2)
        results["start, CPU s of the programs"] = round(cpu_seconds(cluster), 2)
        begun = time.monotonic()
        cluster.start()
        results["second start, wall s"] = round(time.monotonic() - begun, 2)
        build_busybox(cluster, IMAGE)
        from kubernetes import client, config

        config.load_kube_config(str(cluster.kubeconfig))
        api = client.CoreV1Api()
        time.sleep(3)

        def create(name: str) -> None:
            api.create_namespaced_pod("default", pod(name, IMAGE, ["sleep", "1000"], terminationGracePeriodSeconds=0))

        create("warm")
        watch_ready(cluster, api, {"warm"})
        times = []
        cpu = cpu_seconds(cluster)
        for number in range(chosen.pods):
            name = f"one-{number}"
            begun = time.monotonic()
            create(name)
            times.append(watch_ready(cluster, api, {name}).get(name, begun + 60) - begun)
        results["pod create to Ready, p50 ms"] = round(statistics.median(times) * 1000)
        results["pod create to Ready, max ms"] = round(max(times) * 1000)
        results["CPU per pod started, ms"] = round((cpu_seconds(cluster) - cpu) / chosen.pods * 1000)
        names = {f"burst-{number}" for number in range(chosen.burst)}
        seen: dict[str, float] = {}
        watcher = threading.Thread(target=lambda: seen.update(watch_ready(cluster, api, names)))
        watcher.start()
        begun = time.monotonic()
        for name in sorted(names):
            create(name)
        watcher.join()
        results[f"{chosen.burst} pods at once, all Ready, s"] = round(max(seen.values(), default=begun + 60) - begun, 2)
        time.sleep(5)
        cpu, begun = cpu_seconds(cluster), time.monotonic()
        time.sleep(chosen.idle)
        share = (cpu_seconds(cluster) - cpu) / (time.monotonic() - begun)
        results[f"idle CPU with {chosen.pods + chosen.burst + 1} pods, % of a core"] = round(share * 100, 1)
        api.delete_collection_namespaced_pod("default", grace_period_seconds=0)
        wait_for("pods are gone", lambda: not api.list_namespaced_pod("default").items, 60)
        time.sleep(3)
        memory = memory_mb(cluster)
        results["memory of all programs, MB PSS"] = round(sum(memory.values()))
        results["memory by program, MB PSS"] = {name: round(value) for name, value in sorted(memory.items())}
    finally:
        print(json.dumps(results, indent=2))
        cluster.delete()


if __name__ == "__main__":
    main()
