"""Issue 4, point 6."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import census, oci_layout
from tests.cri.live.cri_service import Service

pytestmark = pytest.mark.live


def test_bind_mounts_read_only_and_not(service: Service, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("hello\n")
    (tmp_path / "link").symlink_to("real")
    mounts = [
        api.Mount(host_path=str(tmp_path / "link"), container_path="/mnt/rw"),
        api.Mount(host_path=str(tmp_path / "real"), container_path="/mnt/ro", readonly=True),
        api.Mount(host_path=str(tmp_path / "real/file"), container_path="/etc/one-file"),
        api.Mount(host_path=str(tmp_path / "made/here"), container_path="/mnt/made"),
    ]
    with service.pod() as pod:
        container = pod.start(mounts=mounts)
        assert container.shell("cat /mnt/rw/file /mnt/ro/file /etc/one-file") == "hello\n" * 3
        assert container.shell("touch /mnt/rw/new && ls /mnt/ro") == "file\nnew\n"
        assert "Read-only" in container.shell("touch /mnt/ro/x 2>&1")
        assert (tmp_path / "made/here").is_dir()
        assert list(container.status.mounts) == mounts


def test_contradictory_mounts_are_refused(service: Service, tmp_path: Path) -> None:
    bad = [
        api.Mount(host_path=str(tmp_path), container_path="/m", recursive_read_only=True),
        api.Mount(
            host_path=str(tmp_path),
            container_path="/m",
            readonly=True,
            recursive_read_only=True,
            propagation=api.PROPAGATION_BIDIRECTIONAL,
        ),
        api.Mount(host_path=str(tmp_path)),
        api.Mount(container_path="/m"),
        api.Mount(container_path="/m", image=api.ImageSpec(image="localhost/busybox:latest")),
        api.Mount(host_path=str(tmp_path), container_path="/m", propagation=9),
    ]
    with service.pod() as pod:
        for mount in bad:
            with pytest.raises(grpc.RpcError) as caught:
                pod.create("true", mounts=[mount])
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_recursive_read_only_reaches_submounts(service: Service, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "sub"], check=True)
    try:
        mount = api.Mount(host_path=str(tmp_path), container_path="/m", readonly=True, recursive_read_only=True)
        plain = api.Mount(host_path=str(tmp_path), container_path="/p", readonly=True)
        with service.pod() as pod:
            container = pod.start(mounts=[mount, plain])
            assert "Read-only" in container.shell("touch /m/sub/x 2>&1")
            assert container.shell("touch /p/sub/x && echo written") == "written\n"
    finally:
        subprocess.run(["umount", "-l", tmp_path / "sub"], check=True)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A mount point that propagates."""
    point = tmp_path / "shared"
    point.mkdir()
    subprocess.run(["mount", "--bind", point, point], check=True)
    subprocess.run(["mount", "--make-shared", point], check=True)
    yield point
    subprocess.run(["umount", "-R", "-l", point], check=True)


def test_propagation_from_and_to_the_host(service: Service, shared: Path) -> None:
    (shared / "in").mkdir()
    (shared / "out").mkdir()
    mounts = [
        api.Mount(host_path=str(shared), container_path="/slave", propagation=api.PROPAGATION_HOST_TO_CONTAINER),
        api.Mount(host_path=str(shared), container_path="/shared", propagation=api.PROPAGATION_BIDIRECTIONAL),
        api.Mount(host_path=str(shared), container_path="/private"),
    ]
    with service.pod() as pod:
        container = pod.start(mounts=mounts, security={"privileged": True})
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", shared / "in"], check=True)
        (shared / "in/seen").touch()
        assert container.shell("ls /slave/in /private/in") == "/private/in:\n\n/slave/in:\nseen\n"
        container.shell("mount -t tmpfs tmpfs /shared/out && touch /shared/out/made")
        assert (shared / "out/made").exists()
    subprocess.run(["umount", "-l", shared / "in"], check=True)


def test_propagation_needs_a_shared_mount(service: Service, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    subprocess.run(["mount", "--make-private", tmp_path], check=True)
    try:
        mount = api.Mount(host_path=str(tmp_path), container_path="/m", propagation=api.PROPAGATION_BIDIRECTIONAL)
        with service.pod() as pod, pytest.raises(grpc.RpcError) as caught:
            pod.create("true", mounts=[mount])
        assert "not a shared mount" in caught.value.details()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_image_volumes_are_read_only_and_keep_their_image(service: Service) -> None:
    image = api.ImageSpec(image="localhost/user:uid", image_ref="kept")
    whole = api.Mount(container_path="/image", image=image, readonly=True)
    part = api.Mount(container_path="/part", image=image, readonly=True, image_sub_path="data")
    with service.pod() as pod:
        container = pod.start(mounts=[whole, part])
        assert container.shell("cat /image/data/file /part/file") == "from the image\n" * 2
        assert container.shell("/image/bin/echo exec works") == "exec works\n"
        assert "Read-only" in container.shell("touch /image/x 2>&1")
        assert container.status.mounts[0].image.image_ref == "kept"
        mount = api.Mount(container_path="/m", image=image, readonly=True, image_sub_path="none")
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", mounts=[mount])
        assert "ImageVolumeMountFailed" in caught.value.details()
        outside = api.Mount(container_path="/m", image=image, readonly=True, image_sub_path="../../etc")
        inside = pod.start(mounts=[outside])
        assert "shadow" not in inside.shell("ls /m")
        assert "group" in inside.shell("ls /m")
        containers = service.root / "overlay-containers/containers.json"
        assert containers.exists()
    assert containers.read_text().count(pod.name) == 0


@pytest.fixture
def with_volumes(own_service: Service, tmp_path: Path, busybox_layer: bytes) -> Iterator[str]:
    """An image with volumes: one it has files in, one it lacks, one behind a link that leads out of it."""
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w") as tar:
        info = tarfile.TarInfo("out")
        info.type, info.linkname = tarfile.SYMTYPE, "../../../../tmp"
        tar.addfile(info)
    volumes = {"/data": {}, "/var/lib/new/deep": {}, "/out/escaped": {}}
    oci_layout.write(tmp_path / "layout", {"Env": ["PATH=/bin"], "Volumes": volumes}, busybox_layer, link.getvalue())
    oci_layout.load(own_service.store, tmp_path / "layout", "localhost/volumes:1")
    yield "localhost/volumes:1"
    own_service.remove_image("localhost/volumes:1")


def test_volumes_of_images_are_handled_as_configured(own_service: Service, with_volumes: str) -> None:
    service = own_service
    show = "stat -c %u:%g:%a /var/lib/new/deep; cat /data/file; touch /var/lib/new/deep/x && echo written; grep -c ' /data ' /proc/mounts"
    user = {"run_as_user": {"value": 1002}, "run_as_group": {"value": 1003}}
    with service.pod() as pod:
        found = pod.output(show, image=with_volumes, security=user)
        assert found == "1002:1003:755\nfrom the image\nwritten\n0\n"
        assert "escaped" in pod.output("ls /tmp", image=with_volumes)
    assert not Path("/tmp/escaped").exists()
    service.restart_with('[crio.image]\nimage_volumes = "bind"\n')
    with service.pod() as pod:
        container = pod.start(image=with_volumes, security=user)
        assert container.shell("stat -c %u:%g:%a /var/lib/new/deep; touch /data/x && ls /data") == "1002:1003:755\nx\n"
        beside = service.root / "overlay-containers" / container.id / "userdata/volumes"
        assert (beside / "0/x").exists()
        container.remove()
        assert not beside.exists()
    service.restart_with('[crio.image]\nimage_volumes = "ignore"\n')
    with service.pod() as pod:
        assert pod.output("test -d /var/lib/new || ls -d /data", image=with_volumes) == "/data\n"
        read_only = {"readonly_rootfs": True}
        assert "Read-only" in pod.output("touch /data/x", image=with_volumes, security=read_only)


def test_sources_that_must_not_be_made(one_service: Service, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    one_service.restart_with(f'[crio.runtime]\nabsent_mount_sources_to_reject = ["{absent}"]\n')
    with one_service.pod() as pod:
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", mounts=[api.Mount(host_path=str(absent), container_path="/m")])
        assert f"cannot mount {absent}: path does not exist" in caught.value.details()
        assert not absent.exists()


def test_a_source_that_cannot_be_made_is_named_and_leaves_nothing(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with service.pod() as pod:
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", mounts=[api.Mount(host_path=str(tmp_path / "file/below"), container_path="/m")])
        assert f"{tmp_path}/file/below: Not a directory" in caught.value.details()
        census.check(service)
