"""Runtimes for live tests: one per OCI runtime, with a private image store that is loaded once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from linux import mounts
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import BUSYBOX, Service
from tests.cri.live.registry import Registry, htpasswd


@pytest.fixture(scope="session")
def image_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="session")
def busybox_layer() -> bytes:
    return oci_layout.busybox_layer()


@pytest.fixture(scope="session")
def image_store(tmp_path_factory: pytest.TempPathFactory, busybox_layer: bytes) -> Iterator[tuple[Path, Path]]:
    """Root and run root of a store with the images of the tests."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    base = tmp_path_factory.mktemp("store")
    root, runroot = base / "root", base / "run"
    store = f"[overlay@{root}+{runroot}]"
    images = {
        BUSYBOX: {"Cmd": ["sh"], "Env": ["PATH=/bin", "FROM_IMAGE=yes"], "WorkingDir": "/data"},
        "localhost/user:uid": {"Cmd": ["id"], "Env": ["PATH=/bin"], "User": "1002"},
        "localhost/user:name": {"Cmd": ["id"], "Env": ["PATH=/bin"], "User": "www"},
        "localhost/user:group": {"Cmd": ["id"], "Env": ["PATH=/bin"], "User": "www:extra"},
        "localhost/user:missing": {"Cmd": ["id"], "Env": ["PATH=/bin"], "User": "nobody-knows"},
        "localhost/stop:usr1": {"Env": ["PATH=/bin"], "StopSignal": "SIGUSR1", "Volumes": {"/vol": {}}},
    }
    for number, (name, config) in enumerate(images.items()):
        layout = base / f"layout-{number}"
        oci_layout.write(layout, config, busybox_layer)
        oci_layout.load(store, layout, name)
    oci_layout.write(base / "setuid", {"Env": ["PATH=/bin"]}, busybox_layer, oci_layout.setuid_layer())
    oci_layout.load(store, base / "setuid", "localhost/setuid:cat")
    yield root, runroot
    mounts.unmount_tree(str(base))
    shutil.rmtree(base, ignore_errors=True)


def _service(factory: pytest.TempPathFactory, store: tuple[Path, Path], handler: str) -> Iterator[Service]:
    if shutil.which(handler) is None:
        pytest.skip(f"{handler} is not installed")
    service = Service(factory.mktemp(f"cri-{handler}"), handler, *store)
    service.start()
    try:
        yield service
    finally:
        service.clean()


@pytest.fixture(scope="session", params=["crun", "runc"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, image_store: tuple[Path, Path]
) -> Iterator[Service]:
    """A running service with either runtime as its default."""
    yield from _service(tmp_path_factory, image_store, request.param)


@pytest.fixture(params=["crun", "runc"])
def own_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, image_store: tuple[Path, Path]
) -> Iterator[Service]:
    """A service that the test may kill."""
    yield from _service(tmp_path_factory, image_store, request.param)


@pytest.fixture
def one_service(tmp_path_factory: pytest.TempPathFactory, image_store: tuple[Path, Path]) -> Iterator[Service]:
    """As ``own_service``, for what the OCI runtime has no part in."""
    yield from _service(tmp_path_factory, image_store, "crun" if shutil.which("crun") else "runc")


@pytest.fixture
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    """A registry of the test's own; its parameter is the password it asks for."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    password = getattr(request, "param", "")
    found = Registry(tmp_path / "registry", auth=htpasswd(tmp_path, password) if password else "")
    try:
        yield found
    finally:
        found.stop()
