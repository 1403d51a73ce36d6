"""Encryption at rest in a running server: what lies in etcd, and the rotation of keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserver.storage.etcd import EtcdStorage, open_channel
from tests.apiserver.conftest import Api, Pair

pytestmark = pytest.mark.live
OLD, NEW = "MTIzNDU2Nzg5MDEyMzQ1Ng==", "MTIzNDU2Nzg5MDEyMzQ1NjEyMzQ1Njc4OTAxMjM0NTY="
KEYS = {"aescbc": f"{{aescbc: {{keys: [{{name: old, secret: {OLD}}}]}}}}"}
KEYS["secretbox"] = f"{{secretbox: {{keys: [{{name: new, secret: {NEW}}}]}}}}"


def configure(path: Path, *providers: str) -> None:
    rows = f"[{{resources: [secrets], providers: [{', '.join(providers)}]}}]"
    path.write_text(f"kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources: {rows}\n")


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[tuple[Pair, Path]]:
    config = tmp_path / "encryption.yaml"
    configure(config, KEYS["aescbc"], "{identity: {}}")
    flag = "--encryption-provider-config"
    made = Pair(tmp_path, f"{flag}={config}", f"{flag}-automatic-reload=true")
    try:
        made.start()
        made.wait_ready()
        yield made, config
    finally:
        made.stop()


async def stored(pair: Pair, key: str) -> bytes:
    storage = EtcdStorage(open_channel((f"http://127.0.0.1:{pair.etcd_port}",), "", "", ""))
    try:
        found = await storage.get(key)
        assert found is not None
        return found.value
    finally:
        await storage.close()


async def test_keys_are_rotated_by_writing_objects_as_they_are(sealed: tuple[Pair, Path]) -> None:
    pair, config = sealed
    api = Api(pair)
    path, key = "/api/v1/namespaces/default/secrets", "/registry/secrets/default/s"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hidden"}}
    made = api.json("POST", path, secret)[1]
    assert (await stored(pair, key)).startswith(b"k8s:enc:aescbc:v1:old:")
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    api.json("POST", "/api/v1/namespaces/default/configmaps", plain)
    assert (await stored(pair, "/registry/configmaps/default/c")).startswith(b"{")
    configure(config, KEYS["secretbox"], KEYS["aescbc"], "{identity: {}}")
    deadline = time.monotonic() + 15
    while not (await stored(pair, key)).startswith(b"k8s:enc:secretbox:v1:new:"):
        assert time.monotonic() < deadline
        read = api.json("GET", f"{path}/s")[1]
        assert api.json("PUT", f"{path}/s", read)[0] == 200
        time.sleep(0.2)
    again = api.json("GET", f"{path}/s")[1]
    assert again["data"] == made["data"]
    assert int(again["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert api.json("PUT", f"{path}/s", again)[1]["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
