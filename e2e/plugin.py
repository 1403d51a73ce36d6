"""pytest plugin: a running cluster as a fixture. Usable by other projects with `-p e2e.plugin`.

Fixtures: `cluster` (one for the session; $E2E_START_FLAGS are added to its start), `namespace` (a fresh one for each
test), `busybox` (an image built on the spot).
"""

import os
import uuid
from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster, wait_for
from e2e.images import build_busybox

BUSYBOX = "localhost/e2e-busybox:v1"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster for the whole session, deleted at its end."""
    if os.geteuid() != 0:
        pytest.skip("a cluster on the host driver needs root")
    flags = os.environ.get("E2E_START_FLAGS", "").split()
    made = Cluster.in_scratch(f"e2e-{uuid.uuid4().hex[:6]}", *flags)
    try:
        made.start()
        yield made
    finally:
        made.delete()


@pytest.fixture(scope="session")
def busybox(cluster: Cluster) -> str:
    """A small image with a shell and a web server on 8080, in the cluster's store."""
    build_busybox(cluster, BUSYBOX)
    return BUSYBOX


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own; its deletion is asked for at the end and not waited for."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    wait_for(
        "the default ServiceAccount is there",
        lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", name, check=False).returncode == 0,
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
