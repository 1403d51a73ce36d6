"""Issue 4, point 8: what is in the layers of an image arrives in the container, and nothing leaves it on the way."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import Service
from tests.cri.live.layout_server import LayoutServer

pytestmark = pytest.mark.live
# VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
LONG = "long-" + "x" * 250
DEEP = "/".join(["deep" * 20] * 6)


@pytest.fixture
def layouts() -> Iterator[LayoutServer]:
    server = LayoutServer()
    yield server
    server.close()


class Layer:
    """A layer in the making."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> Layer:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
        info.size = len(data)
        for key, value in fields.items():
            setattr(info, key, value)
        self._tar.addfile(info, io.BytesIO(data))
        return self

    def done(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def first() -> bytes:
    binary = {"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")}
    layer = Layer()
    for directory in ("kept", "emptied", "becomes-file", "links"):
        layer.add(directory, kind=tarfile.DIRTYPE)
        layer.add(f"{directory}/old", f"{directory}\n".encode())
    layer.add("sticky", kind=tarfile.DIRTYPE, mode=0o1777, uid=1002, gid=1003, mtime=86400)
    layer.add("links/hard", kind=tarfile.LNKTYPE, linkname="links/old")
    layer.add("links/soft", kind=tarfile.SYMTYPE, linkname="old")
    layer.add("setuid", b"x", mode=0o4755, uid=4_000_000, gid=3_000_000)
    layer.add("capable", b"x", pax_headers=binary)
    layer.add("noted", b"x", pax_headers={"SCHILY.xattr.user.note": "hello"})
    layer.add("null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    layer.add("pipe", kind=tarfile.FIFOTYPE)
    layer.add(LONG, b"long\n")
    layer.add(f"{DEEP}/file", b"deep\n")
    layer.add("becomes-directory", b"file")
    layer.add("ünï-код", b"utf-8\n")
    layer.add("holes", bytes(1 << 20))
    return layer.done()


def second() -> bytes:
    layer = Layer()
    layer.add("kept/.wh.old")
    layer.add("kept/new", b"new\n")
    layer.add("emptied/.wh..wh..opq")
    layer.add("emptied/new", b"new\n")
    layer.add("becomes-file", b"file\n")
    layer.add("becomes-directory", kind=tarfile.DIRTYPE)
    layer.add("becomes-directory/inside", b"inside\n")
    return layer.done()


def image(directory: Path, *layers: bytes, **config: object) -> str:
    return oci_layout.write(directory, {"Env": ["PATH=/bin"], "Labels": {"for": str(directory)}, **config}, *layers)


def test_files_arrive_as_they_were_packed(
    service: Service, layouts: LayoutServer, tmp_path: Path, busybox_layer: bytes
) -> None:
    image(tmp_path / "layout", busybox_layer, first(), second())
    name = layouts.add("files", tmp_path / "layout")
    service.trust(layouts.host)
    service.pull(name)
    script = f"""
        ls kept emptied; cat becomes-file becomes-directory/inside
        stat -c '%h %i' links/old links/hard | uniq | wc -l; readlink links/soft
        stat -c '%a %u %g %Y' sticky; stat -c '%a %u %g' setuid; stat -c '%F %t %T' null; stat -c %F pipe
        cat {LONG} {DEEP}/file ünï-код; stat -c %s holes
    """
    expected = """\
emptied:
new

kept:
new
file
inside
1
old
1777 1002 1003 86400
4755 4000000 3000000
character special file 1 3
fifo
long
deep
utf-8
1048576
"""
    with service.pod() as pod:
        container = pod.start(image=name, working_dir="/")
        assert container.shell(script) == expected
        root = container.info["runtimeSpec"]["root"]["path"]
        assert os.getxattr(f"{root}/capable", "security.capability") == CAPABILITY
        assert os.getxattr(f"{root}/noted", "user.note") == b"hello"
    service.remove_image(name)
    service.check_store()


def test_no_layer_leads_out_of_its_image(
    service: Service, layouts: LayoutServer, tmp_path: Path, busybox_layer: bytes
) -> None:
    target = tmp_path / "outside"
    target.mkdir()
    up = "../" * 12 + str(target).lstrip("/")
    evil = Layer().add("absolute", kind=tarfile.SYMTYPE, linkname=str(target))
    evil.add("relative", kind=tarfile.SYMTYPE, linkname=up)
    over = Layer().add("absolute/one", b"evil").add("relative/two", b"evil").add(f"{up}/three", b"evil")
    image(tmp_path / "layout", busybox_layer, evil.done(), over.done())
    name = layouts.add("evil", tmp_path / "layout")
    service.trust(layouts.host)
    with contextlib.suppress(grpc.RpcError):  # to refuse it is as good
        service.pull(name)
    service.remove_image(name)
    assert not list(target.iterdir())
    service.check_store()


@pytest.mark.parametrize("damage", ["content", "size"])
def test_content_that_is_not_what_its_digest_says_is_refused(
    one_service: Service, layouts: LayoutServer, tmp_path: Path, damage: str
) -> None:
    service = one_service
    layer = Layer().add("file", os.urandom(5000)).done()
    image(tmp_path / "layout", layer)
    blobs = tmp_path / "layout/blobs/sha256"
    entry = json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]
    document = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    blob = blobs / document["layers"][0]["digest"].removeprefix("sha256:")
    if damage == "content":
        blob.write_bytes(gzip.compress(Layer().add("file", os.urandom(5000)).done(), 1))
    else:
        blob.write_bytes(blob.read_bytes()[:-100])
    name = layouts.add("damaged", tmp_path / "layout")
    service.trust(layouts.host)
    with pytest.raises(grpc.RpcError) as caught:
        service.pull(name)
    assert caught.value.code() == grpc.StatusCode.UNKNOWN
    assert name in caught.value.details()
    assert any(word in caught.value.details() for word in ("digest", "match", "unexpected EOF"))
    assert service.images.ImageStatus(api.ImageStatusRequest(image={"image": name})).image.id == ""
    service.check_store()


def test_an_index_without_this_machine_says_so(one_service: Service, layouts: LayoutServer, tmp_path: Path) -> None:
    image(tmp_path / "layout", Layer().done())
    described = json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]
    platform = {"architecture": "s390x", "os": "linux"}
    media = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": media, "manifests": [{**described, "platform": platform}]}
    entry = oci_layout.add_blob(tmp_path / "layout", json.dumps(index).encode(), media)
    (tmp_path / "layout/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    one_service.trust(layouts.host)
    with pytest.raises(grpc.RpcError) as caught:
        one_service.pull(layouts.add("foreign", tmp_path / "layout"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "for architecture" in caught.value.details()


def test_an_image_of_another_architecture_is_told_when_it_does_not_run(
    service: Service, layouts: LayoutServer, tmp_path: Path
) -> None:
    # An ELF header of a 64-bit ARM program, and nothing behind it.
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 183, 1) + bytes(40)
    program = Layer().add("app", header, mode=0o755).done()
    oci_layout.write(tmp_path / "layout", {"Entrypoint": ["/app"]}, program, architecture="arm64")
    name = layouts.add("arm", tmp_path / "layout")
    service.trust(layouts.host)
    service.pull(name)
    with service.pod() as pod:
        container = pod.create(image=name)
        container.start()
        status = container.wait()
        assert (status.reason, status.message) == ("Error", "the image is for arm64, this node is not")
        assert status.exit_code != 0
        assert "exec format error" in container.raw_log().lower()
    service.remove_image(name)


def test_manifests_of_docker_and_foreign_layers(
    one_service: Service, layouts: LayoutServer, tmp_path: Path, busybox_layer: bytes
) -> None:
    """Schema 2, and a layer that its registry does not have but another place."""
    service = one_service
    image(tmp_path / "layout", busybox_layer, Layer().add("second", b"layer\n").done())
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--format", "v2s2", f"oci:{tmp_path / 'layout'}", f"dir:{tmp_path / 'v2s2'}"],
        check=True,
    )
    manifest = json.loads((tmp_path / "v2s2/manifest.json").read_text())
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    layout = tmp_path / "docker"
    shutil.copytree(tmp_path / "layout/blobs", layout / "blobs")
    away = manifest["layers"][1]
    layouts.layouts["elsewhere"] = tmp_path / "layout"
    away["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    away["urls"] = [f"http://{layouts.host}/v2/elsewhere/blobs/{away['digest']}"]
    for entry in [manifest["config"], *manifest["layers"]]:
        found = tmp_path / "v2s2" / entry["digest"].removeprefix("sha256:")
        shutil.copy(found, layout / "blobs/sha256" / found.name)
    (layout / "blobs/sha256" / away["digest"].removeprefix("sha256:")).unlink()
    entry = oci_layout.add_blob(layout, json.dumps(manifest).encode(), manifest["mediaType"])
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    name = layouts.add("docker", layout)
    service.trust(layouts.host)
    service.pull(name)
    with service.pod() as pod:
        assert pod.output("cat /second /data/file", image=name) == "layer\nfrom the image\n"
    service.remove_image(name)
