"""Issue 4, point 8: registries with every kind of lock, compression, index, mirror and fault."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import Service, until
from tests.cri.live.layout_server import LayoutServer
from tests.cri.live.registry import Registry
from tests.cri.live.token_server import TokenServer, certificate

pytestmark = pytest.mark.live
CONFIG = {"Env": ["PATH=/bin"]}


@pytest.fixture
def layouts() -> Iterator[LayoutServer]:
    server = LayoutServer()
    yield server
    server.close()


def layout(directory: Path, service: Service, *layers: bytes) -> str:
    """An image of its own; returns its id."""
    return oci_layout.write(directory, {**CONFIG, "Labels": {"for": f"{directory} {service.handler}"}}, *layers)


def refused(service: Service, name: str, **auth: str) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        service.pull(name, **auth)
    return caught.value


def test_tokens_open_only_what_their_user_may_see(service: Service, tmp_path: Path, busybox_layer: bytes) -> None:
    tokens = TokenServer(tmp_path, {"anna": ("rot", "anna/"), "bert": ("blau", "bert/")})
    registry = Registry(tmp_path / "registry", auth=tokens.registry_part())
    try:
        anna = layout(tmp_path / "anna", service, busybox_layer)
        bert = layout(tmp_path / "bert", service, busybox_layer)
        registry.push(tmp_path / "anna", "anna/app:1", credentials="anna:rot")
        registry.push(tmp_path / "bert", "bert/app:1", credentials="bert:blau")
        service.trust(registry.host)
        hers, his = f"{registry.host}/anna/app:1", f"{registry.host}/bert/app:1"
        # Two images of one registry, each with its own credentials, at the same time.
        found: dict[str, str] = {}
        threads = [
            threading.Thread(target=lambda: found.update(anna=service.pull(hers, username="anna", password="rot"))),
            threading.Thread(target=lambda: found.update(bert=service.pull(his, username="bert", password="blau"))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {"anna": anna, "bert": bert}
        assert ("anna", "anna/app") in tokens.granted
        assert "unauthorized" in refused(service, his, username="anna", password="rot").details()
        assert "unauthorized" in refused(service, his, username="bert", password="rot").details()
        assert "unauthorized" in refused(service, his).details()
    finally:
        registry.stop()
        tokens.close()
    for name in (anna, bert):
        service.remove_image(name)


def test_the_auth_file_of_the_node_is_used_when_the_pod_brings_none(
    one_service: Service, tmp_path: Path, busybox_layer: bytes
) -> None:
    tokens = TokenServer(tmp_path, {"node": ("rot", "")})
    guarded = Registry(tmp_path / "guarded", auth=tokens.registry_part())
    try:
        image = layout(tmp_path / "layout", one_service, busybox_layer)
        guarded.push(tmp_path / "layout", "app:1", credentials="node:rot")
        entry = {"auths": {guarded.host: {"auth": "bm9kZTpyb3Q="}}}
        (tmp_path / "auth.json").write_text(json.dumps(entry))
        one_service.restart_with(f'[crio.image]\nglobal_auth_file = "{tmp_path / "auth.json"}"\n')
        one_service.trust(guarded.host)
        assert one_service.pull(f"{guarded.host}/app:1") == image
        one_service.remove_image(image)
    finally:
        guarded.stop()
        tokens.close()


@pytest.mark.parametrize("compression", ["zstd", "zstd:chunked", "gzip"])
def test_compressed_layers(
    service: Service, registry: Registry, tmp_path: Path, busybox_layer: bytes, compression: str
) -> None:
    extra = oci_layout.files_layer({"extra": (b"second layer\n" * 1000, 0o644)})
    layout(tmp_path / "layout", service, busybox_layer, extra)
    # skopeo keeps a layer's compression on its way; unpacked ones are packed anew.
    plain = tmp_path / "plain"
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci:{tmp_path / 'layout'}", f"dir:{plain}", "--dest-decompress"], check=True
    )
    command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-compress-format", compression]
    subprocess.run([*command, "--format", "oci", f"dir:{plain}", f"docker://{registry.host}/packed:1"], check=True)
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/packed:1"],
        check=True,
        capture_output=True,
    ).stdout
    assert {m["mediaType"].rpartition("+")[2] for m in json.loads(raw)["layers"]} == {compression.partition(":")[0]}
    service.trust(registry.host)
    image = service.pull(f"{registry.host}/packed:1")
    with service.pod() as pod:
        assert pod.output("tail -n 1 /extra; cat /data/file", image=image) == "second layer\nfrom the image\n"
    service.remove_image(image)


def test_an_index_gives_the_image_of_this_machine(
    service: Service, layouts: LayoutServer, tmp_path: Path, busybox_layer: bytes
) -> None:
    images = {}
    manifests = []
    for architecture in ("arm64", "s390x", "amd64"):
        directory = tmp_path / architecture
        images[architecture] = layout(directory, service, busybox_layer)
        descriptor = json.loads((directory / "index.json").read_text())["manifests"][0]
        manifests.append({**descriptor, "platform": {"architecture": architecture, "os": "linux"}})
        shutil.copytree(directory / "blobs", tmp_path / "all/blobs", dirs_exist_ok=True)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    entry = oci_layout.add_blob(tmp_path / "all", json.dumps(index).encode(), index["mediaType"])
    (tmp_path / "all/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    name = layouts.add("many", tmp_path / "all")
    service.trust(layouts.host)
    assert service.pull(name) == images["amd64"]
    # By the digest of the index it is the same image.
    assert service.pull(f"{layouts.host}/many@{entry['digest']}") == images["amd64"]
    service.remove_image(images["amd64"])


def test_mirrors_are_tried_in_order_and_the_source_is_last(
    service: Service, layouts: LayoutServer, registry: Registry, tmp_path: Path, busybox_layer: bytes
) -> None:
    image = layout(tmp_path / "layout", service, busybox_layer)
    registry.push(tmp_path / "layout", "library/app:1")
    service.trust(
        "",
        f'[[registry]]\nprefix = "example.test/shop"\nlocation = "{registry.host}/library"\ninsecure = true\n'
        f'[[registry.mirror]]\nlocation = "127.0.0.1:1"\ninsecure = true\n'
        f'[[registry.mirror]]\nlocation = "{layouts.host}/mirrored"\ninsecure = true\n',
    )
    # Nobody has it: each that was asked is named, with its own answer.
    error = refused(service, "example.test/shop/none:1")
    assert error.code() == grpc.StatusCode.NOT_FOUND
    for place, cause in (("127.0.0.1:1", "connection refused"), (layouts.host, "name unknown"), (registry.host, "man")):
        assert cause in error.details().partition(f"{place}/")[2]
    # The first mirror is down, the second lacks the image: the source has it.
    assert service.pull("example.test/shop/app:1") == image
    assert f'source="{registry.host}/library/app:1"' in service.log.read_text()
    service.remove_image(image)
    layouts.add("mirrored/app", tmp_path / "layout")
    assert service.pull("example.test/shop/app:1") == image
    assert layouts.asked["1"] == 1
    assert f'source="{layouts.host}/mirrored/app:1"' in service.log.read_text()
    service.remove_image(image)


def test_blocked_registries_are_not_asked(service: Service, layouts: LayoutServer, tmp_path: Path) -> None:
    layout(tmp_path / "layout", service, b"")
    name = layouts.add("app", tmp_path / "layout")
    service.trust("", f'[[registry]]\nlocation = "{layouts.host}"\nblocked = true\n')
    error = refused(service, name)
    assert error.code() == grpc.StatusCode.UNKNOWN
    assert "blocked" in error.details()
    assert not layouts.asked


def test_short_names_are_looked_for_in_each_search_registry_that_the_mode_allows_and_aliases_first(
    service: Service, layouts: LayoutServer, registry: Registry, tmp_path: Path, busybox_layer: bytes
) -> None:
    image = layout(tmp_path / "layout", service, busybox_layer)
    other = layout(tmp_path / "other", service, busybox_layer)
    registry.push(tmp_path / "layout", "shortly:1")
    layouts.add("aliased", tmp_path / "other")
    plain = "".join(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n' for host in (registry.host, layouts.host))
    searched = f'unqualified-search-registries = ["{layouts.host}", "{registry.host}"]\n'
    aliases = f'{plain}[aliases]\nnickname = "{layouts.host}/aliased"\n'
    service.registries.write_text(searched + aliases)
    error = refused(service, "shortly:1")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("short name mode is enforcing, but image name shortly:1 returns ambiguous list")
    service.registries.write_text(f'short-name-mode = "disabled"\n{searched}{aliases}')
    assert service.pull("shortly:1") == image
    assert service.pull("nickname:1") == other
    # What was pulled under a short name is found, and runs, under it.
    for short, full, image_id in (("shortly:1", registry.host, image), ("nickname:1", layouts.host, other)):
        found = service.images.ImageStatus(api.ImageStatusRequest(image={"image": short})).image
        assert found.id == image_id
        assert full in found.repo_tags[0]
        with service.pod() as pod:
            assert pod.output("cat /data/file", image=short) == "from the image\n"
    error = refused(service, "nowhere:1")
    assert layouts.host in error.details()
    assert registry.host in error.details()
    service.trust()
    for name in (image, other):
        service.remove_image(name)


def test_the_policy_decides_what_may_come_in(
    one_service: Service, layouts: LayoutServer, tmp_path: Path, busybox_layer: bytes
) -> None:
    service = one_service
    image = layout(tmp_path / "layout", service, busybox_layer)
    good, bad = layouts.add("good/app", tmp_path / "layout"), layouts.add("bad/app", tmp_path / "layout")
    accept = [{"type": "insecureAcceptAnything"}]
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {f"{layouts.host}/good": accept}}}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/lenient.json").write_text(json.dumps({"default": accept}))
    service.restart_with(
        f'[crio.image]\nsignature_policy = "{tmp_path / "policy.json"}"\n'
        f'signature_policy_dir = "{tmp_path / "policies"}"\n'
    )
    service.trust(layouts.host)
    assert service.pull(good) == image
    service.remove_image(image)
    error = refused(service, bad)
    assert error.code() == grpc.StatusCode.UNKNOWN  # else the kubelet does not see the reason
    assert error.details().startswith("SignatureValidationFailed: ")
    # A namespace may have a policy of its own.
    assert service.pull(bad, namespace="lenient") == image
    service.remove_image(image)


def test_a_registry_with_its_own_authority_is_believed_once_that_is_installed(
    service: Service, tmp_path: Path, busybox_layer: bytes
) -> None:
    public, private, _, _ = certificate(tmp_path, "registry")
    registry = Registry(tmp_path / "registry", tls=(public, private))
    trusted = Path("/etc/containers/certs.d") / registry.host
    try:
        image = layout(tmp_path / "layout", service, busybox_layer)
        registry.push(tmp_path / "layout", "secure:1")
        service.trust()
        name = f"{registry.host}/secure:1"
        assert "x509" in refused(service, name).details()
        trusted.mkdir(parents=True)
        shutil.copy(public, trusted / "ca.crt")
        assert service.pull(name) == image
        service.remove_image(image)
    finally:
        registry.stop()
        shutil.rmtree(trusted, ignore_errors=True)


def test_a_silent_registry_is_given_up(one_service: Service, layouts: LayoutServer, tmp_path: Path) -> None:
    service = one_service
    layout(tmp_path / "layout", service, oci_layout.files_layer({"big": (str(tmp_path).encode() * 9999, 0o644)}))
    name = layouts.add("silent", tmp_path / "layout")
    layer = _layers(tmp_path / "layout")[0]
    layouts.silent = {layer}
    service.restart_with('[crio.image]\npull_progress_timeout = "1s"\n')
    service.trust(layouts.host)
    error = refused(service, name)
    assert error.code() == grpc.StatusCode.UNKNOWN
    assert error.details() == f"RegistryUnavailable: {name}: no progress for 1 seconds"
    assert "Pulling image" in service.log.read_text()
    assert not list((service.root / "pulls").iterdir())
    service.check_store()


def _layers(directory: Path) -> list[str]:
    manifest = json.loads((directory / "index.json").read_text())["manifests"][0]["digest"].removeprefix("sha256:")
    return [entry["digest"] for entry in json.loads((directory / "blobs/sha256" / manifest).read_text())["layers"]]


@pytest.mark.parametrize("victims", ["runtime", "runtime and skopeo"])
def test_a_pull_that_was_killed_goes_on_where_it_was(
    one_service: Service, layouts: LayoutServer, tmp_path: Path, victims: str
) -> None:
    service = one_service
    first = oci_layout.files_layer({"first": (tmp_path.name.encode() * 1000, 0o644)})
    second = oci_layout.files_layer({"second": (victims.encode() * 1000, 0o644)})
    image = layout(tmp_path / "layout", service, first, second)
    name = layouts.add("resumed", tmp_path / "layout")
    whole, cut = _layers(tmp_path / "layout")
    layouts.silent = {cut}
    service.trust(layouts.host)
    thread = threading.Thread(target=lambda: refused(service, name))
    thread.start()
    assert layouts.reached.wait(20)
    # The first layer is in the store before the second has come.
    records = service.root / "overlay-layers/layers.json"
    until(lambda: whole in records.read_text())
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    copies = [int(pid) for pid in children if b"skopeo" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(copies) == 1
    service.kill()
    thread.join()
    if victims != "runtime":
        subprocess.run(["kill", "-9", str(copies[0])], check=True)
        until(lambda: not Path(f"/proc/{copies[0]}/exe").exists())
    layouts.silent = set()
    service.start()
    assert service.pull(name) == image
    assert layouts.asked[whole] == 1
    assert layouts.asked[cut] == 2
    subprocess.run(["kill", "-9", str(copies[0])], check=False, capture_output=True)
    if victims != "runtime":
        assert not list((service.root / "pulls").iterdir())
    service.check_store()
    service.remove_image(image)
    service.check_store()


def test_a_layer_that_was_being_unpacked_when_all_was_killed_is_cleaned_and_done_again(
    one_service: Service, layouts: LayoutServer, tmp_path: Path
) -> None:
    service = one_service
    files = {f"f{number}": (os.urandom(4096), 0o644) for number in range(3000)}
    layout(tmp_path / "layout", service, oci_layout.files_layer(files))
    name = layouts.add("unpacked", tmp_path / "layout")
    service.trust(layouts.host)
    thread = threading.Thread(target=lambda: refused(service, name))
    thread.start()
    until(lambda: len(list((service.root / "overlay").glob("*/diff/f*"))) > 100)
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    for pid in children:
        if b"skopeo" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(int(pid), signal.SIGKILL)
    service.kill()
    thread.join()
    half = list((service.root / "overlay").glob("*/diff/f1"))
    assert len(half) == 1
    service.start()
    assert not half[0].exists()
    assert not list((service.root / "pulls").iterdir())
    service.check_store()
    image = service.pull(name)
    assert len(list(half[0].parent.iterdir())) == len(files)
    service.remove_image(image)
    service.check_store()
