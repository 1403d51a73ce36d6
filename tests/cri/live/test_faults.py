"""Issue 4, point 9: what is missing, broken or crashes is named, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import census, oci_layout
from tests.cri.live.cri_service import Pod, Service

pytestmark = pytest.mark.live


def program(path: Path, script: str) -> None:
    """Put a script in a program's place; what runs the old one goes on with it."""
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def restore(path: Path, name: str) -> None:
    path.unlink(missing_ok=True)
    shutil.copy(str(shutil.which(name)), path)


def refused(pod: Pod, image: str = "localhost/busybox:latest") -> str:
    with pytest.raises(grpc.RpcError) as caught:
        pod.create("true", image=image)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    return str(caught.value.details())


def test_programs_that_are_missing_or_crash_are_named(one_service: Service, tmp_path: Path) -> None:
    service = one_service
    tools = {name: tmp_path / name for name in ("crun", "conmon", "skopeo")}
    for name, path in tools.items():
        restore(path, name)
    service.restart_with(
        f'[crio.runtime]\nconmon = "{tools["conmon"]}"\n[crio.runtime.runtimes.mine]\nruntime_path = "{tools["crun"]}"\n'
        f'[crio.image]\nskopeo = "{tools["skopeo"]}"\n'
    )
    with service.pod(handler="mine") as pod:
        lasting = pod.start()
        faults = {
            "echo 'it said no' >&2; exit 1": "container create failed: it said no",
            "kill -9 $$": "without an answer from the OCI runtime",
            "exit 0": "without an answer from the OCI runtime",
        }
        for script, words in faults.items():
            program(tools["crun"], script)
            assert words in refused(pod)
            census.check(service, script)
        tools["crun"].unlink()
        assert f"the OCI runtime {tools['crun']} is missing or may not be run" in refused(pod)
        census.check(service, "no crun")
        restore(tools["crun"], "crun")
        # conmon.
        program(tools["conmon"], "echo broken >&2; exit 3")
        assert "conmon failed with exit code 3: broken" in refused(pod)
        tools["conmon"].unlink()
        assert str(tools["conmon"]) in refused(pod)
        census.check(service, "no conmon")
        restore(tools["conmon"], "conmon")
        # skopeo.
        tools["skopeo"].unlink()
        with pytest.raises(grpc.RpcError) as caught:
            service.pull("127.0.0.1:1/app:1")
        assert f"cannot run {tools['skopeo']}: No such file or directory" in caught.value.details()
        program(tools["skopeo"], "kill -9 $$")
        with pytest.raises(grpc.RpcError) as caught:
            service.pull("127.0.0.1:1/app:1")
        assert "skopeo was killed by signal 9" in caught.value.details()
        assert not list((service.root / "pulls").iterdir())
        # All is well again, and was all the time for what ran.
        assert lasting.shell("echo fine") == "fine\n"
        assert pod.output("echo again") == "again\n"
        # Without its runtime a container still ends and goes.
        tools["crun"].unlink()
        lasting.stop()
        lasting.remove()
    census.check(service)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is damaged"), ("{", "is damaged"), ("[]", "it is not a JSON object"), (None, "has no configuration")],
)
def test_a_broken_image_configuration_is_named(
    service: Service, tmp_path: Path, busybox_layer: bytes, text: str | None, words: str
) -> None:
    name = f"localhost/broken:{abs(hash(text)) % 1000}"
    config = {"Labels": {"for": f"{service.handler} {name}"}}
    image = oci_layout.write(tmp_path / "layout", config, busybox_layer)
    oci_layout.load(service.store, tmp_path / "layout", name)
    files = list((service.root / "overlay-images" / image).glob("=*"))
    configuration = next(f for f in files if b"rootfs" in f.read_bytes())
    whole = configuration.read_bytes()
    if text is None:
        configuration.unlink()
    else:
        configuration.write_text(text)
    with service.pod() as pod:
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", image=name)
        assert words in caught.value.details()
        # The lists go on, and so does everything else.
        assert image in {i.id for i in service.images.ListImages(api.ListImagesRequest()).images}
        assert pod.output("echo fine") == "fine\n"
    census.check(service)
    configuration.write_bytes(whole)
    service.remove_image(name)


@pytest.mark.parametrize(
    "config",
    [
        {"Env": "PATH=/bin", "Cmd": ["true"]},
        {"Env": [1], "Cmd": ["true"]},
        {"Cmd": {"a": 1}},
        {"Cmd": "true"},
        {"Entrypoint": [1, 2]},
        {"Cmd": ["true"], "User": 5},
        {"Cmd": ["true"], "WorkingDir": ["/"]},
        {"Cmd": ["true"], "Volumes": ["/a"]},
        {"Cmd": ["true"], "StopSignal": {"x": 1}},
        {"Cmd": ["true"], "Labels": []},
        "nothing",
    ],
)
def test_an_image_configuration_of_the_wrong_kind_is_told(
    service: Service, tmp_path: Path, busybox_layer: bytes, config: object
) -> None:
    name = "localhost/wrong:1"
    image = oci_layout.write(tmp_path / "layout", {"Labels": {"for": f"{tmp_path}"}}, busybox_layer)
    oci_layout.load(service.store, tmp_path / "layout", name)
    files = list((service.root / "overlay-images" / image).glob("=*"))
    configuration = next(f for f in files if b"rootfs" in f.read_bytes())
    whole = configuration.read_bytes()
    configuration.write_text(json.dumps({**json.loads(whole), "config": config}))
    try:
        with service.pod() as pod, pytest.raises(grpc.RpcError) as caught:
            pod.create(image=name)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()
        assert image in caught.value.details()
        assert service.images.ImageStatus(api.ImageStatusRequest(image={"image": name})).image.id == image
        assert image in {i.id for i in service.images.ListImages(api.ListImagesRequest()).images}
    finally:
        configuration.write_bytes(whole)
        service.remove_image(name)
