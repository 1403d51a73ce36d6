"""The controllers as a process, against a real API server and etcd. A test plays the scheduler and the kubelets."""

import asyncio
import os
import subprocess
import sys
import uuid

import pytest

from apimachinery.client.rest import Client
from bench.run_apiserver import ROOT, Pair
from tests.controllers.nodes import Nodes, until

COMMAND = [sys.executable, "-m", "controllers", "--secure-port=0", "--node-monitor-grace-period=10m"]
COMMAND += ["--horizontal-pod-autoscaler-sync-period=200ms", "--controllers=*,bootstrapsigner,tokencleaner"]
COMMAND += ["--allocate-node-cidrs=true", "--cluster-cidr=10.244.0.0/16"]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory):
    made = Pair(tmp_path_factory.mktemp("controllers"))
    process = None
    made.start()
    try:
        made.wait_ready()
        files = [
            f"--kubeconfig={made.directory}/admin.conf",  # as the launcher does: one identity that may do all
            f"--root-ca-file={made.certs}/ca.crt",
            f"--service-account-private-key-file={made.certs}/sa.key",
            f"--cluster-signing-cert-file={made.certs}/ca.crt",
            f"--cluster-signing-key-file={made.certs}/ca.key",
        ]
        with (made.directory / "controllers.log").open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, *files], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=log
            )
        yield made
    finally:
        if process is not None:
            process.terminate()
            assert process.wait(10) == 0
        made.stop()


@pytest.fixture
async def client(control_plane):
    made = Client.from_kubeconfig(f"{control_plane.directory}/admin.conf", user_agent="test")
    yield made
    await made.close()


@pytest.fixture
async def ns(client):
    """A fresh namespace with its default ServiceAccount."""
    title = f"t-{uuid.uuid4().hex[:8]}"
    await client.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": title}})

    async def account():
        return await client.get("serviceaccounts", "default", title)

    await until(account)
    return title


@pytest.fixture
async def nodes(client):
    made = Nodes(client)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.run())
        yield made
        task.cancel()
    for title in made.names:
        await client.delete("nodes", title)
