"""From a claim to a directory and back: API server, controllers, scheduler and provisioner as processes."""

import asyncio
import subprocess
import sys
import time

import pytest

from apimachinery.client.rest import Client
from apimachinery.errors import APIError, NotFound
from bench.run_apiserver import Pair

pytestmark = pytest.mark.live


@pytest.fixture
def pair(tmp_path):
    made = Pair(tmp_path)
    made.start()
    processes = []
    try:
        made.wait_ready()
        programs = {
            "controllers": [
                "--kubeconfig={}/admin.conf",
                "--secure-port=0",
                "--service-account-private-key-file={}/certs/sa.key",
                "--root-ca-file={}/certs/ca.crt",
            ],
            "scheduler": ["--kubeconfig={}/scheduler.conf", "--secure-port=0"],
            "addons.storage_provisioner": ["--kubeconfig={}/admin.conf", "--root={}/volumes"],
        }
        for name, flags in programs.items():
            log = (tmp_path / f"{name}.log").open("wb")
            words = [sys.executable, "-m", name, *(flag.format(tmp_path) for flag in flags)]
            processes.append(subprocess.Popen(words, stderr=log))
        yield made
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)
        made.stop()


async def until(check, seconds=15):
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = await check()
        except APIError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)


def claim(name, **spec):
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**base, **spec},
    }


async def test_claims_are_bound_used_protected_and_cleaned_up(pair):
    client = Client.from_kubeconfig(f"{pair.directory}/admin.conf", user_agent="test")
    try:
        await _story(client, pair)
    finally:
        await client.close()


async def _story(client, pair):
    async def default_class():
        return await client.get("storageclasses.storage.k8s.io", "standard")

    async def account():
        return await client.get("serviceaccounts", "default", "default")

    await until(default_class)
    await until(account)
    lazy = {**(await default_class()), "metadata": {"name": "lazy"}, "volumeBindingMode": "WaitForFirstConsumer"}
    await client.create("storageclasses.storage.k8s.io", lazy)
    await client.create("persistentvolumeclaims", claim("data"))
    await client.create("persistentvolumeclaims", claim("later", storageClassName="lazy"))

    async def phase(name, wanted):
        found = await client.get("persistentvolumeclaims", name, "default")
        return found if (found.get("status") or {}).get("phase") == wanted else None

    bound = await until(lambda: phase("data", "Bound"))
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    volume = await client.get("persistentvolumes", bound["spec"]["volumeName"])
    assert volume["status"]["phase"] == "Bound"
    directory = pair.directory / "volumes" / "default" / f"data-{bound['metadata']['uid']}"
    assert directory.stat().st_mode & 0o777 == 0o777
    assert await phase("later", "Pending"), "nobody uses it yet"

    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {"allocatable": amounts}}
    await client.create("nodes", node)
    await client.patch("nodes", "n1", {"spec": {"taints": None}})
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("data", "later")]
    container = {"name": "c", "image": "busybox"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "user", "namespace": "default"},
        "spec": {
            "containers": [container],
            "volumes": volumes,
            "tolerations": [{"operator": "Exists"}],
        },
    }
    await client.create("pods", pod)

    async def placed():
        found = await client.get("pods", "user", "default")
        return found["spec"].get("nodeName")

    assert await until(placed) == "n1"
    assert await phase("later", "Bound")

    await client.delete("persistentvolumeclaims", "data", "default")
    await asyncio.sleep(0.5)
    assert (await client.get("persistentvolumeclaims", "data", "default"))["metadata"]["deletionTimestamp"]
    assert directory.exists()
    await client.delete("pods", "user", "default", options={"gracePeriodSeconds": 0})

    async def gone():
        try:
            await client.get("persistentvolumes", volume["metadata"]["name"])
        except NotFound:
            return not directory.exists()
        return False

    await until(gone)
