"""Pod start and listing costs of the container runtime: ``python bench/cri.py [--pods N] [--runtime crun]``.

Starts a runtime of its own (store, bridge and cgroups under a temporary directory), with the fsync of a real one. CPU
is that of every process involved (runtime, conmon, crun, container), read from one cpuacct cgroup around them all, so
it holds on a noisy machine; wall clock does not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import BUSYBOX, Pod, Service

CPUACCT = Path("/sys/fs/cgroup/cpuacct")
_REPEATS = 10
DEFAULT_SECCOMP = {"seccomp": {"profile_type": api.SecurityProfile.RuntimeDefault}}


def usage(service: Service) -> float:
    """Milliseconds of CPU so far, of everything."""
    return int((CPUACCT / service.name / "cpuacct.usage").read_text()) / 1e6


def runtime_usage(service: Service) -> float:
    """Milliseconds of CPU of the runtime's process alone."""
    return int((CPUACCT / service.name / "runtime/cpuacct.usage").read_text()) / 1e6


def milliseconds(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return (time.perf_counter() - begun) * 1000


def pss(pid: int) -> float:
    """Proportional memory in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("Pss:")[1].split()[0]) / 1024


def report(title: str, values: list[float], cpu: float | None = None) -> None:
    ordered = sorted(values)
    p90 = ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
    share = "" if cpu is None else f"   CPU of the runtime {cpu:6.1f} ms"
    print(f"{title:45} p50 {statistics.median(values):7.1f} ms   p90 {p90:7.1f} ms{share}")


def start_pods(service: Service, count: int) -> list[Pod]:
    steps: dict[str, list[float]] = {"RunPodSandbox": [], "CreateContainer": [], "StartContainer": [], "all three": []}
    pods = []
    before = usage(service)
    for number in range(count):
        pod = service.pod(name=f"bench-{number}")
        made = []
        took = [
            milliseconds(pod.run),
            milliseconds(
                lambda pod=pod, made=made: made.append(pod.create("sleep", "100000", security=DEFAULT_SECCOMP))
            ),
            milliseconds(lambda made=made: made[0].start()),
        ]
        for name, value in zip(steps, [*took, sum(took)], strict=True):
            steps[name].append(value)
        pods.append(pod)
    for name, values in steps.items():
        report(name, values)
    print(f"{'CPU per pod, all processes':45} {(usage(service) - before) / count:11.1f} ms")
    return pods


def measure_lists(service: Service) -> None:
    calls = {
        "ListPodSandbox": lambda: service.runtime.ListPodSandbox(api.ListPodSandboxRequest()),
        "ListContainers": lambda: service.runtime.ListContainers(api.ListContainersRequest()),
        "ListContainerStats": lambda: service.runtime.ListContainerStats(api.ListContainerStatsRequest()),
        "ListPodSandboxStats": lambda: service.runtime.ListPodSandboxStats(api.ListPodSandboxStatsRequest()),
        "ListPodSandboxMetrics": lambda: service.runtime.ListPodSandboxMetrics(api.ListPodSandboxMetricsRequest()),
        "Status": lambda: service.runtime.Status(api.StatusRequest()),
        "ListImages": lambda: service.images.ListImages(api.ListImagesRequest()),
    }
    for name, call in calls.items():
        call()
        before = runtime_usage(service)
        took = [milliseconds(call) for _ in range(_REPEATS)]
        report(f"{name}, all pods", took, (runtime_usage(service) - before) / _REPEATS)


def measure_idle(service: Service, seconds: float) -> None:
    assert service.process is not None
    group = CPUACCT / service.name / "runtime/cpuacct.usage"
    before = int(group.read_text())
    time.sleep(seconds)
    share = (int(group.read_text()) - before) / 1e9 / seconds * 100
    print(f"{'idle CPU of the runtime, share of a core':45} {share:11.2f} %")
    print(f"{'memory of the runtime (PSS)':45} {pss(service.process.pid):11.1f} MB")
    monitors = [int(p.read_text()) for p in (service.state / "containers").glob("*/conmon-pidfile")]
    print(f"{'memory of conmon per container (PSS)':45} {statistics.mean(map(pss, monitors)):11.2f} MB")


def tear_down(service: Service, pods: list[Pod]) -> None:
    stop, remove = [], []
    before = usage(service)
    for pod in pods:
        stop.append(
            milliseconds(
                lambda pod=pod: service.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod.id))
            )
        )
        remove.append(milliseconds(pod.__exit__))
    report("StopPodSandbox", stop)
    report("RemovePodSandbox", remove)
    print(f"{'CPU per pod removed, all processes':45} {(usage(service) - before) / len(pods):11.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=20)
    parser.add_argument("--runtime", default="crun")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mkt-bench-", dir="/var/tmp") as directory:
        base = Path(directory)
        root, runroot = base / "root", base / "run"
        oci_layout.write(base / "layout", {"Env": ["PATH=/bin"]}, oci_layout.busybox_layer())
        oci_layout.load(f"[overlay@{root}+{runroot}]", base / "layout", BUSYBOX)
        service = Service(base / "cri", options.runtime, root, runroot)
        service.start()
        assert service.process is not None
        group = CPUACCT / service.name / "runtime"
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(str(service.process.pid))
        try:
            with service.pod() as pod:  # the first one pays for imports and caches
                pod.start(security=DEFAULT_SECCOMP)
            pods = start_pods(service, options.pods)
            measure_lists(service)
            measure_idle(service, 5)
            tear_down(service, pods)
        finally:
            service.stop()
            service.clean()


if __name__ == "__main__":
    main()
