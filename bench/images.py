"""What images cost the container runtime: ``python bench/images.py [--megabytes N] [--images N]``.

Pulls one image from a registry of its own through the runtime, by ``skopeo copy`` and by ``podman pull``, each into an
empty store; then lists a store with many images. CPU is that of the process and all its children, so it holds on a
noisy machine; wall clock does not.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from linux import mounts
from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import Service
from tests.cri.live.registry import Registry

_LAYERS = 4
_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """User and system time of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / _TICKS


def run(command: list[str]) -> tuple[float, float]:
    """Wall clock and CPU of a command."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime


def report(title: str, took: list[tuple[float, float]]) -> None:
    wall, cpu = (statistics.median(values) for values in zip(*took, strict=True))
    print(f"{title:40} p50 {wall * 1000:8.1f} ms   CPU {cpu * 1000:8.1f} ms")


def repeat(times: int, store: Path, work: Callable[[], tuple[float, float]]) -> list[tuple[float, float]]:
    took = []
    for _ in range(times):
        took.append(work())
        mounts.unmount_tree(str(store))
        shutil.rmtree(store, ignore_errors=True)
    return took


def measure_pulls(directory: Path, megabytes: int, times: int) -> None:
    registry = Registry(directory / "registry")
    store = directory / "other"
    try:
        size = megabytes * 1_000_000 // _LAYERS
        # Text of random letters: the compressor gets a quarter out of it, as of an average program.
        contents = [base64.b64encode(os.urandom(size)) for _ in range(_LAYERS)]
        layers = [oci_layout.files_layer({f"f{n}": (data, 0o644)}) for n, data in enumerate(contents)]
        oci_layout.write(directory / "layout", {}, *layers)
        registry.push(directory / "layout", "big:1")
        name = f"{registry.host}/big:1"
        places = ["--root", f"{store}/root", "--runroot", f"{store}/run", "--storage-driver", "overlay"]
        podman = ["podman", *places, "pull", "--quiet", "--tls-verify=false", name]
        target = f"containers-storage:[overlay@{store}/root+{store}/run]{name}"
        skopeo = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{name}", target]
        report(f"skopeo copy, {megabytes} MB", repeat(times, store, lambda: run(skopeo)))
        report(f"podman pull, {megabytes} MB", repeat(times, store, lambda: run(podman)))
        service = Service(directory / "cri", "crun", directory / "store/root", directory / "store/run")
        service.start()
        try:
            service.trust(registry.host)
            report(f"PullImage, {megabytes} MB", [pull(service, name) for _ in range(times)])
        finally:
            service.clean()
    finally:
        registry.stop()


def pull(service: Service, name: str) -> tuple[float, float]:
    """One pull of an image that is not there."""
    assert service.process is not None
    before, begun = processor_seconds(service.process.pid), time.perf_counter()
    service.pull(name)
    took = time.perf_counter() - begun, processor_seconds(service.process.pid) - before
    service.remove_image(name)
    return took


def measure_lists(directory: Path, count: int) -> None:
    service = Service(directory / "many", "crun", directory / "images/root", directory / "images/run")
    base = oci_layout.busybox_layer()
    for number in range(count):
        layout = directory / "one"
        oci_layout.write(
            layout, {"Env": ["PATH=/bin"]}, base, oci_layout.files_layer({f"f{number}": (b"x" * 1000, 0o644)})
        )
        oci_layout.load(service.store, layout, f"localhost/image-{number}:1")
        shutil.rmtree(layout)
    service.start()
    try:
        assert service.process is not None
        calls: dict[str, Callable[[], object]] = {
            "ListImages": lambda: service.images.ListImages(api.ListImagesRequest()),
            "ImageStatus": lambda: service.images.ImageStatus(
                api.ImageStatusRequest(image={"image": f"localhost/image-{count // 2}:1"})
            ),
            "ImageFsInfo": lambda: service.images.ImageFsInfo(api.ImageFsInfoRequest()),
        }
        for title, call in calls.items():
            call()
            times, before = 50, processor_seconds(service.process.pid)
            took = []
            for _ in range(times):
                begun = time.perf_counter()
                call()
                took.append(time.perf_counter() - begun)
            cpu = (processor_seconds(service.process.pid) - before) / times
            report(f"{title}, {count} images", [(value, cpu) for value in took])
        with service.pod() as pod:
            before, times = processor_seconds(service.process.pid), 20
            for _ in range(times):
                pod.create("true", image="localhost/image-0:1").remove()
            cpu = (processor_seconds(service.process.pid) - before) / times
            print(f"{'create and remove a container':40} CPU of the runtime {cpu * 1000:8.2f} ms")
    finally:
        service.clean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-images-") as directory:
        try:
            if options.megabytes:
                measure_pulls(Path(directory), options.megabytes, options.times)
            if options.images:
                measure_lists(Path(directory), options.images)
        finally:
            mounts.unmount_tree(directory)


if __name__ == "__main__":
    main()
