"""Issue 4, point 8: images shared with buildah and skopeo, and pulls from a registry."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import BUSYBOX, Service
from tests.cri.live.registry import Registry

pytestmark = pytest.mark.live


def status(service: Service, name: str) -> object:
    return service.images.ImageStatus(api.ImageStatusRequest(image={"image": name})).image


def test_images_are_found_by_every_name(service: Service) -> None:
    image = status(service, BUSYBOX)
    assert image.id
    assert image.size > 1 << 20
    assert list(image.repo_tags) == [BUSYBOX]
    for name in (image.id, image.id[:12], f"sha256:{image.id}", image.repo_digests[0], "localhost/busybox", "busybox"):
        assert status(service, name).id == image.id, name
    assert status(service, "localhost/none").id == ""
    assert status(service, "UPPER/case").id == ""
    with pytest.raises(grpc.RpcError):
        status(service, "")
    request = api.ListImagesRequest(filter={"image": {"image": BUSYBOX}})
    assert [i.id for i in service.images.ListImages(request).images] == [image.id]
    verbose = service.images.ImageStatus(api.ImageStatusRequest(image={"image": BUSYBOX}, verbose=True))
    info = json.loads(verbose.info["info"])
    assert info["imageSpec"]["os"] == "linux"
    assert info["imageSpec"]["config"]["Env"] == ["PATH=/bin", "FROM_IMAGE=yes"]
    assert info["labels"] is None


def test_labels_and_annotations_are_shown(service: Service, tmp_path: Path) -> None:
    layer = oci_layout.files_layer({"file": (b"x", 0o644)})
    oci_layout.write(tmp_path / "layout", {"Labels": {"a": "b"}}, layer, annotations={"org.test.note": "hello"})
    oci_layout.load(service.store, tmp_path / "layout", "localhost/annotated:1")
    request = api.ImageStatusRequest(image={"image": "localhost/annotated:1"}, verbose=True)
    response = service.images.ImageStatus(request)
    assert dict(response.image.spec.annotations) == {"org.test.note": "hello"}
    assert json.loads(response.info["info"])["labels"] == {"a": "b"}
    # It has no command: a container without one of its own can't be made, and says whose fault that is.
    with service.pod() as pod, pytest.raises(grpc.RpcError) as caught:
        pod.create(image="localhost/annotated:1")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "no command specified" in caught.value.details()
    service.remove_image("localhost/annotated:1")


def test_users_of_images_exclude_each_other(service: Service) -> None:
    uid = status(service, "localhost/user:uid")
    assert (uid.uid.value, uid.username) == (1002, "")
    name = status(service, "localhost/user:name")
    assert (name.HasField("uid"), name.username) == (False, "www")


def test_the_file_system_of_images_is_measured(service: Service) -> None:
    info = service.images.ImageFsInfo(api.ImageFsInfoRequest()).image_filesystems[0]
    assert info.timestamp > 0
    assert Path(info.fs_id.mountpoint).is_dir()
    assert info.used_bytes.value > 1 << 20
    assert info.inodes_used.value > 0


def buildah(service: Service, *arguments: str) -> str:
    command = [
        "buildah",
        "--root",
        service.root,
        "--runroot",
        service.runroot,
        "--storage-driver",
        "overlay",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_what_buildah_builds_runs_at_once_and_its_listing_shows_ours(service: Service, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("built\n")
    name = f"localhost/built-{service.handler}:1"
    working = buildah(service, "from", BUSYBOX).strip()
    buildah(service, "copy", working, str(tmp_path / "hello"), "/hello")
    buildah(service, "commit", working, name)
    buildah(service, "rm", working)
    with service.pod() as pod:
        container = pod.start(image=name)
        assert container.shell("cat /hello") == "built\n"
        assert name in buildah(service, "images", "--format", "{{.Name}}:{{.Tag}}")
        # buildah's own call must not have shadowed the running container's file system.
        assert container.shell("cat /hello") == "built\n"
        assert (Path(container.info["runtimeSpec"]["root"]["path"]) / "hello").read_text() == "built\n"
        with pytest.raises(subprocess.CalledProcessError):
            buildah(service, "rmi", name)
        with pytest.raises(grpc.RpcError) as caught:
            service.images.RemoveImage(api.RemoveImageRequest(image={"image": name}))
        assert "used by container" in caught.value.details()
    for _ in range(2):
        service.images.RemoveImage(api.RemoveImageRequest(image={"image": name}))
    assert status(service, name).id == ""
    assert name not in buildah(service, "images", "--format", "{{.Name}}:{{.Tag}}")
    service.check_store()


def test_writers_of_two_kinds_do_not_trample_on_each_other(service: Service) -> None:
    def work() -> None:
        for _ in range(3):
            working = buildah(service, "from", BUSYBOX).strip()
            buildah(service, "rm", working)

    thread = threading.Thread(target=work)
    thread.start()
    with service.pod() as pod:
        while thread.is_alive():
            container = pod.create("true")
            container.remove()
    thread.join()
    service.check_store()


def test_removing_one_tag_removes_the_image(service: Service, tmp_path: Path, busybox_layer: bytes) -> None:
    oci_layout.write(tmp_path / "layout", {"Labels": {"for": service.handler}}, busybox_layer)
    for tag in ("one", "two"):
        oci_layout.load(service.store, tmp_path / "layout", f"localhost/tags:{tag}")
    image = status(service, "localhost/tags:one")
    assert sorted(image.repo_tags) == ["localhost/tags:one", "localhost/tags:two"]
    threads = [
        threading.Thread(
            target=service.images.RemoveImage, args=(api.RemoveImageRequest(image={"image": "localhost/tags:one"}),)
        )
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert status(service, "localhost/tags:two").id == ""


def test_pull_by_tag_digest_short_name_and_mirror(
    service: Service, registry: Registry, tmp_path: Path, busybox_layer: bytes
) -> None:
    image_id = oci_layout.write(tmp_path / "layout", {"Labels": {"pulled": service.handler}}, busybox_layer)
    registry.push(tmp_path / "layout", "some/image:v1")
    mirror = f'[[registry]]\nprefix = "example.test"\nlocation = "{registry.host}"\ninsecure = true\n'
    service.trust(registry.host, mirror)
    name = f"{registry.host}/some/image"
    assert service.pull(f"{name}:v1") == image_id
    digest = next(d for d in status(service, f"{name}:v1").repo_digests if d.startswith(name))
    assert service.pull(digest) == image_id
    assert status(service, digest).id == image_id
    assert service.pull("example.test/some/image:v1") == image_id
    with service.pod() as pod:
        container = pod.start(image=image_id)
        assert container.status.image_id == image_id
        assert "@sha256:" in container.status.image_ref
    service.images.RemoveImage(api.RemoveImageRequest(image={"image": image_id}))


def test_parallel_pulls_of_one_image_share_a_job(
    service: Service, registry: Registry, tmp_path: Path, busybox_layer: bytes
) -> None:
    image_id = oci_layout.write(tmp_path / "layout", {"Labels": {"parallel": service.handler}}, busybox_layer)
    registry.push(tmp_path / "layout", "p:1")
    service.trust(registry.host)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(service.pull(f"{registry.host}/p:1"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [image_id] * 4
    service.images.RemoveImage(api.RemoveImageRequest(image={"image": image_id}))


@pytest.mark.parametrize("registry", ["geheim"], indirect=True)
def test_credentials_reach_the_registry(
    service: Service, registry: Registry, tmp_path: Path, busybox_layer: bytes
) -> None:
    image_id = oci_layout.write(tmp_path / "layout", {"Labels": {"auth": service.handler}}, busybox_layer)
    registry.push(tmp_path / "layout", "private:1", credentials="me:geheim")
    service.trust(registry.host)
    name = f"{registry.host}/private:1"
    with pytest.raises(grpc.RpcError):
        service.pull(name)
    with pytest.raises(grpc.RpcError):
        service.pull(name, username="me", password="wrong")
    assert service.pull(name, username="me", password="geheim") == image_id
    assert service.pull(name, auth=base64.b64encode(b"me:geheim").decode()) == image_id
    assert not list(service.state.glob("auth-*"))
    service.images.RemoveImage(api.RemoveImageRequest(image={"image": image_id}))


def test_failed_pulls_name_the_cause(service: Service, registry: Registry) -> None:
    service.trust(registry.host)
    with pytest.raises(grpc.RpcError) as caught:
        service.pull(f"{registry.host}/none:1")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        service.pull("127.0.0.1:1/none:1")
    assert caught.value.code() == grpc.StatusCode.UNKNOWN  # else the kubelet does not see the reason
    assert caught.value.details().startswith("RegistryUnavailable: ")
    with pytest.raises(grpc.RpcError) as caught:
        service.pull("Not A Name")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
