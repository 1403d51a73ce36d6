"""Issue 4, point 8: one store, three tools: podman and buildah beside the cluster's runtime."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from linux import mounts
from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import BUSYBOX, Service
from tests.cri.live.registry import Registry

pytestmark = pytest.mark.live


class Tools:
    """podman and buildah on a service's store, with their own state elsewhere."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.directory = directory
        configuration = directory / "containers.conf"
        # Debian's crun refuses hybrid cgroups, and limits above our own are refused by the kernel.
        configuration.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        self._store = ["--root", str(service.root), "--runroot", str(service.runroot), "--storage-driver", "overlay"]

    def run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = ["--tmpdir", str(self.directory / "libpod")] if tool == "podman" else []
        command = [tool, *self._store, *own, *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60)

    def podman(self, *arguments: str) -> str:
        done = self.run("podman", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def buildah(self, *arguments: str) -> str:
        done = self.run("buildah", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self, base: str, name: str, file: str, text: str) -> None:
        """An image with one file more than its base."""
        source = self.directory / f"{file}.txt"
        source.write_text(text)
        working = self.buildah("from", "--pull-never", base).strip()
        try:
            self.buildah("copy", working, str(source), f"/{file}")
            self.buildah("commit", "--quiet", working, name)
        finally:
            self.buildah("rm", working)


@pytest.fixture
def tools(service: Service, tmp_path: Path) -> Iterator[Tools]:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    found = Tools(service, tmp_path)
    try:
        yield found
    finally:
        found.run("podman", "rm", "--all", "--force", "--time", "0")
        mounts.unmount_tree(str(tmp_path))


def find(service: Service, name: str) -> str:
    return str(service.images.ImageStatus(api.ImageStatusRequest(image={"image": name})).image.id)


def test_an_image_goes_round_all_three_tools(service: Service, tools: Tools, registry: Registry) -> None:
    oci_layout.write(tools.directory / "base", {"Env": ["PATH=/bin"]}, oci_layout.busybox_layer())
    registry.push(tools.directory / "base", "round:1")
    service.trust(registry.host)
    pulled, built = f"{registry.host}/round:1", f"localhost/round-{service.handler}:built"
    image_id = service.pull(pulled)
    try:
        # Pulled by the cluster: podman lists it under its name and runs it without asking any registry.
        listed = tools.podman("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").split("\n")
        assert f"{pulled} sha256:{image_id}" in listed
        ran = tools.podman("run", "--rm", "--pull=never", "--network=none", pulled, "cat", "/data/file")
        assert ran == "from the image\n"
        # Built on top of it by buildah: a pod runs it at once.
        tools.build(pulled, built, "hello", "built\n")
        with service.pod() as pod:
            assert pod.output("cat /hello /data/file", image=built) == "built\nfrom the image\n"
        # Committed by podman out of one of its own containers: the same.
        tools.podman("run", "--name=maker", "--pull=never", "--network=none", built, "sh", "-c", "echo more > /more")
        committed = f"localhost/round-{service.handler}:committed"
        tools.podman("commit", "--quiet", "maker", committed)
        with service.pod() as pod:
            assert pod.output("cat /more", image=committed) == "more\n"
        # The cluster refuses to take away what podman's container stands on.
        with pytest.raises(grpc.RpcError) as caught:
            service.remove_image(built)
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        tools.podman("rm", "maker")
        service.remove_image(committed)
        assert tools.run("podman", "image", "exists", committed).returncode == 1
    finally:
        tools.run("podman", "rm", "--all", "--force", "--time", "0")
        for name in (built, pulled):
            service.remove_image(name)
    service.check_store()


def test_podman_lives_beside_running_pods(service: Service, tools: Tools) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "echo mine > /mine; exec sleep 1000")
        for _ in range(2):
            assert tools.podman("run", "--rm", "--network=none", BUSYBOX, "echo", "hello") == "hello\n"
        assert container.shell("cat /mine /data/file") == "mine\nfrom the image\n"
        # podman knows the cluster's containers as those of another tool, and leaves them alone.
        assert container.id[:12] in tools.podman("ps", "--all", "--external", "--format", "{{.ID}}")
        assert container.id[:12] not in tools.podman("ps", "--all", "--format", "{{.ID}}")
        tools.podman("container", "prune", "--force")
        refused = tools.run("podman", "rmi", BUSYBOX)
        assert refused.returncode != 0
        assert container.id[:12] in refused.stderr
        tools.podman("image", "prune", "--force")
        assert find(service, BUSYBOX)
        assert container.status.state == api.CONTAINER_RUNNING
        assert container.shell("cat /mine /data/file") == "mine\nfrom the image\n"
        # And a container made after all that works as before.
        assert pod.output("cat /data/file") == "from the image\n"
    service.check_store()


def add_and_remove(service: Service, tools: Tools) -> None:
    """Images that come and go, each removal with a look for what nobody needs."""
    for number in range(3):
        name = f"localhost/fleeting:{number}"
        oci_layout.write(
            tools.directory / f"fleeting-{number}",
            {"Labels": {"n": str(number)}},
            oci_layout.files_layer({"f": (b"x", 0o644)}),
        )
        oci_layout.load(service.store, tools.directory / f"fleeting-{number}", name)
        service.remove_image(name)


def test_pulls_builds_and_pods_at_once(service: Service, tools: Tools, registry: Registry) -> None:
    names = []
    for number in range(4):
        layer = oci_layout.files_layer({f"file-{number}": (os.urandom(1 << 16), 0o644)})
        oci_layout.write(tools.directory / f"layout-{number}", {}, oci_layout.busybox_layer(), layer)
        registry.push(tools.directory / f"layout-{number}", f"busy:{number}")
        names.append(f"{registry.host}/busy:{number}")
    service.trust(registry.host)
    built = [f"localhost/busy-{service.handler}:{n}" for n in range(3)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool, service.pod() as pod:
        jobs = [pool.submit(service.pull, name) for name in names]
        jobs += [pool.submit(tools.build, BUSYBOX, name, f"busy-{n}", f"{n}\n") for n, name in enumerate(built)]
        ran = pool.submit(tools.podman, "run", "--rm", "--network=none", BUSYBOX, "echo", "hello")
        jobs.append(pool.submit(add_and_remove, service, tools))
        while not all(job.done() for job in (*jobs, ran)):
            container = pod.start("true")
            container.wait()
            container.remove()
        for job in jobs:
            job.result()
        assert ran.result() == "hello\n"
        for number, name in enumerate(built):
            assert pod.output(f"cat /busy-{number}", image=name) == f"{number}\n"
        for number, name in enumerate(names):
            assert pod.output(f"stat -c %s /file-{number}", image=name) == f"{1 << 16}\n"
    service.check_store()
    for name in (*names, *built):
        service.remove_image(name)
    service.check_store()
