"""Issue 4, point 9: the store after kills, on a full disk, after a loss of power."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from linux import mounts
from protocols.cri import api_pb2 as api
from tests.cri.live import census, oci_layout
from tests.cri.live.cri_service import BUSYBOX, Pod, Service, until
from tests.cri.live.layout_server import LayoutServer

pytestmark = pytest.mark.live
SECOND = oci_layout.files_layer({"second": (b"layer\n", 0o644)})


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path, busybox_layer: bytes) -> Iterator[Service]:
    """A runtime with a store of its own, on a disk as small as the parameter says."""
    base = tmp_path / "store"
    base.mkdir()
    size = getattr(request, "param", "")
    if size:
        mounts.mount("tmpfs", str(base), "tmpfs", 0, f"size={size}")
    root, runroot = base / "root", base / "run"
    oci_layout.write(tmp_path / "layout", {"Cmd": ["sh"], "Env": ["PATH=/bin"]}, busybox_layer, SECOND)
    oci_layout.load(f"[overlay@{root}+{runroot}]", tmp_path / "layout", BUSYBOX)
    found = Service(tmp_path / "cri", "crun" if shutil.which("crun") else "runc", root, runroot)
    found.start()
    try:
        yield found
    finally:
        found.clean()
        mounts.unmount_tree(str(base))


def records(service: Service, kind: str) -> list[dict[str, Any]]:
    path = service.root / f"overlay-{kind}/{kind}.json"
    return json.loads(path.read_text()) if path.exists() else []


def write(service: Service, kind: str, entries: list[dict[str, Any]]) -> None:
    (service.root / f"overlay-{kind}/{kind}.json").write_text(json.dumps(entries))


def layer(service: Service, name: str, **record: object) -> None:
    """A layer as the store makes it, with or without its record."""
    home = service.root / "overlay"
    for part in ("diff", "work", "merged"):
        (home / name / part).mkdir(parents=True)
    (home / name / "diff/file").write_text("data")
    (home / name / "link").write_text(f"LINK{name[:4].upper()}")
    (home / "l" / f"LINK{name[:4].upper()}").symlink_to(f"../{name}/diff")
    if record:
        write(service, "layers", [*records(service, "layers"), {"id": name, **record}])


def test_what_killed_processes_left_in_the_store_is_deleted_at_start(service: Service) -> None:
    service.stop()
    mark = json.dumps({"minikube-py-state": str(service.state)})
    bare, half, old, young = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)
    layer(service, bare)
    layer(service, half, created="2126-01-01T00:00:00Z", metadata=mark)
    layer(service, old, created="2026-01-01T00:00:00.123456789Z")
    layer(service, young, created="2126-01-01T00:00:00Z")
    # The layer of an image volume whose container was never written down.
    volume = {
        "id": "5" * 64,
        "names": [],
        "image": "",
        "layer": half,
        "metadata": mark,
        "created": "2026-01-01T00:00:00Z",
    }
    write(service, "containers", [*records(service, "containers"), volume])
    (service.root / "overlay/l/DANGLING").symlink_to("../nowhere/diff")
    (service.root / f"overlay-layers/{bare}.tar-split.gz").touch()
    (service.root / "overlay-images" / ("6" * 64)).mkdir()
    service.start()
    census.check(service)
    left = {p.name for p in (service.root / "overlay").iterdir()}
    assert left & {bare, half, old, young} == {young}
    assert not (service.root / "overlay/l/DANGLING").is_symlink()
    assert not (service.root / f"overlay-layers/{bare}.tar-split.gz").exists()
    assert not (service.root / "overlay-images" / ("6" * 64)).exists()
    with service.pod() as pod:
        assert pod.output("cat /data/file") == "from the image\n"
    # A day later, it would have gone as well.
    service.stop()
    entries = records(service, "layers")
    next(e for e in entries if e["id"] == young)["created"] = "2026-01-01T00:00:00Z"
    write(service, "layers", entries)
    service.start()
    assert not (service.root / "overlay" / young).exists()
    service.check_store()


def image_of(service: Service) -> str:
    return str(service.images.ImageStatus(api.ImageStatusRequest(image={"image": BUSYBOX})).image.id)


def test_a_record_file_that_was_cut_off_keeps_what_is_whole(service: Service) -> None:
    service.stop()
    before = records(service, "images")
    other = {
        "id": "7" * 64,
        "digest": "",
        "names": ["localhost/lost:1"],
        "layer": "",
        "created": "2026-01-01T00:00:00Z",
    }
    text = json.dumps([*before, other])
    (service.root / "overlay-images/images.json").write_text(text[:-40])
    (service.root / "overlay-layers/layers.json").write_bytes(b"\0" * 400)
    service.start()
    assert image_of(service) == before[0]["id"]
    assert {r["id"] for r in records(service, "layers")} == {
        p.name for p in (service.root / "overlay").iterdir() if len(p.name) == 64
    }
    with service.pod() as pod:
        assert pod.output("cat /data/file /second") == "from the image\nlayer\n"
    # Other tools read it again, too.
    listed = subprocess.run(
        ["buildah", "--root", service.root, "--runroot", service.runroot, "--storage-driver", "overlay", "images"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "localhost/busybox" in listed.stdout
    assert (service.root / "overlay-layers/layers.json.damaged").exists()
    census.check(service)


def test_lost_links_and_lists_of_lower_layers_are_made_again(service: Service) -> None:
    service.stop()
    home = service.root / "overlay"
    for link in (home / "l").iterdir():
        link.unlink()
    for record in records(service, "layers"):
        (home / record["id"] / "link").write_text("")
        if record.get("parent"):
            (home / record["id"] / "lower").unlink()
    service.start()
    with service.pod() as pod:
        assert pod.output("cat /data/file /second") == "from the image\nlayer\n"
    census.check(service)


@pytest.mark.parametrize("lost", ["layer", "configuration"])
def test_an_image_that_lost_a_part_is_taken_out_and_only_that_part_is_pulled_again(
    service: Service, tmp_path: Path, lost: str
) -> None:
    server = LayoutServer()
    try:
        name = server.add("app", tmp_path / "layout")
        service.trust(server.host)
        image = service.pull(name)
        server.asked.clear()
        service.stop()
        top = records(service, "images")[0]["layer"]
        if lost == "layer":
            shutil.rmtree(service.root / "overlay" / top)
        else:
            configuration = next((service.root / "overlay-images" / image).glob("=*"))
            for path in (service.root / "overlay-images" / image).glob("=*"):
                path.write_text("")
            assert configuration.exists()
        service.start()
        assert image_of(service) == ""
        assert service.pull(name) == image
        first, second = _layers(tmp_path / "layout")
        assert server.asked[first] == 0
        assert server.asked[second] == (1 if lost == "layer" else 0)
        with service.pod() as pod:
            assert pod.output("cat /data/file /second", image=name) == "from the image\nlayer\n"
        census.check(service)
    finally:
        server.close()


def test_layers_that_the_disk_may_not_have_got_before_the_power_went_are_pulled_again(
    service: Service, tmp_path: Path
) -> None:
    server = LayoutServer()
    unsynced = service.root / "unsynced-pulls"
    try:
        extra = oci_layout.files_layer({"extra": (b"x" * 5000, 0o644)})
        oci_layout.write(tmp_path / "new", {"Env": ["PATH=/bin"]}, oci_layout.busybox_layer(), SECOND, extra)
        name = server.add("app", tmp_path / "new")
        service.trust(server.host)
        image = service.pull(name)
        until(lambda: not list(unsynced.iterdir()))
        with service.pod() as pod:
            running = pod.start(image=name)
            pid = running.info["pid"]
            service.kill()
            os.kill(pid, signal.SIGKILL)
            until(lambda: not Path(f"/proc/{pid}").exists())
            # The entry of a pull in an earlier boot, a second after the first image came in; a container stood on it.
            new = next(r for r in records(service, "images") if r["id"] == image)["layer"]
            made = {r["id"]: r["created"] for r in records(service, "layers")}
            entries = records(service, "layers")
            for entry in entries:
                if entry["id"] not in (new, running_layer(service, running.id)):
                    entry["created"] = "2026-01-01T00:00:00Z"
            write(service, "layers", entries)
            when = datetime.datetime.fromisoformat(made[new][:19] + "+00:00").timestamp()
            (unsynced / f"{when:.0f}-ab").write_text("another boot")
            (service.root / "overlay" / new / "diff/extra").write_text("")
            subprocess.run(["umount", "-l", *service.root.glob("overlay/*/merged")], check=False, capture_output=True)
            shutil.rmtree(service.state / "containers")
            service.start()
        assert not list(unsynced.iterdir())
        assert image_of(service)
        assert service.images.ImageStatus(api.ImageStatusRequest(image={"image": name})).image.id == ""
        server.asked.clear()
        assert service.pull(name) == image
        asked = [server.asked[layer] for layer in _layers(tmp_path / "new")]
        assert asked == [0, 0, 1]
        with service.pod() as pod:
            assert pod.output("stat -c %s /extra", image=name) == "5000\n"
        service.check_store()
    finally:
        server.close()


def running_layer(service: Service, container_id: str) -> str:
    return str(next(r["layer"] for r in records(service, "containers") if r["id"] == container_id))


def _layers(layout: Path) -> list[str]:
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"].removeprefix("sha256:")
    return [entry["digest"] for entry in json.loads((layout / "blobs/sha256" / manifest).read_text())["layers"]]


def fill(pod: Pod) -> None:
    """Make containers until something says no."""
    for _ in range(50):
        pod.create("true")


@pytest.mark.parametrize("service", ["12m"], indirect=True)
def test_a_full_disk_fails_with_its_cause_and_heals_when_there_is_room(service: Service) -> None:
    with service.pod() as pod:
        running = pod.start()
        running.shell("head -c 3000000 /dev/zero > /big")
        census.check(service)
        hog = service.root / "hog"
        with contextlib.suppress(OSError), hog.open("wb") as stream:
            while True:
                stream.write(bytes(4096))
                stream.flush()
        with pytest.raises(grpc.RpcError) as caught:
            fill(pod)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "No space left on device" in caught.value.details()
        # What the disk is full of can be removed, which makes the room that removing takes.
        running.stop()
        for container in service.runtime.ListContainers(api.ListContainersRequest()).containers:
            service.runtime.RemoveContainer(api.RemoveContainerRequest(container_id=container.id))
        census.check(service)
        hog.unlink()
        assert pod.output("cat /data/file") == "from the image\n"
    census.check(service)


@pytest.mark.parametrize("service", ["12m"], indirect=True)
def test_a_pull_onto_a_full_disk_fails_with_its_cause_and_leaves_nothing(service: Service, tmp_path: Path) -> None:
    server = LayoutServer()
    try:
        big = oci_layout.files_layer({"big": (os.urandom(16 << 20), 0o644)})
        oci_layout.write(tmp_path / "big", {}, big)
        name = server.add("big", tmp_path / "big")
        service.trust(server.host)
        with pytest.raises(grpc.RpcError) as caught:
            service.pull(name)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "no space left on device" in caught.value.details()
        assert not list((service.root / "pulls").iterdir())
        service.check_store()
        with service.pod() as pod:
            assert pod.output("cat /data/file") == "from the image\n"
    finally:
        server.close()


def test_a_start_does_not_wait_for_one_who_unpacks_for_hours(service: Service) -> None:
    with service.pod() as pod:
        container = pod.start()
        service.kill()
        # As podman and skopeo hold it while they unpack a layer.
        lock = (service.root / "overlay-layers/layers.lock").open("r+b")
        fcntl.lockf(lock, fcntl.LOCK_EX)
        try:
            service.start()
            container.runtime = service.runtime
            assert container.shell("echo here") == "here\n"
            assert image_of(service)
        finally:
            lock.close()
        assert "The image store is busy" in service.log.read_text()
        assert pod.output("echo more") == "more\n"


def test_who_removes_an_image_gets_the_room_of_pulls_that_were_never_finished(service: Service, tmp_path: Path) -> None:
    oci_layout.write(tmp_path / "other", {}, SECOND)
    oci_layout.load(service.store, tmp_path / "other", "localhost/other:1")
    old, young = "3" * 64, "4" * 64
    layer(service, old, created="2026-01-01T00:00:00Z")
    layer(service, young, created="2126-01-01T00:00:00Z")
    service.remove_image("localhost/other:1")
    left = {p.name for p in (service.root / "overlay").iterdir()}
    assert left & {old, young} == {young}
    with service.pod() as pod:
        assert pod.output("cat /second") == "layer\n"
    service.check_store()
