import asyncio
import base64
import json

import pytest

from apimachinery.client import kubeconfig
from apiserver.filters.audit_webhook import AuditWebhook
from tests.apiserver.extension_server import ExtensionServer

pytestmark = pytest.mark.live


async def test_events_are_sent_in_batches_and_again_after_a_failure(tmp_path):
    failures = [503]

    def answer(method, path, body, headers):
        return (failures.pop(), {}) if failures else (200, {})

    server = ExtensionServer(tmp_path, "audit", answer)
    config = {
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": f"https://{server.address}:{server.port}/log",
                    "certificate-authority-data": server.bundle,
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(config))
    assert base64.b64decode(server.bundle).startswith(b"-----BEGIN")
    connection = kubeconfig.load(str(tmp_path / "config"))
    webhook = AuditWebhook(connection, batch_size=2, batch_wait=0.05, backoff=0.01)
    task = asyncio.ensure_future(webhook.run())
    try:
        for number in range(3):
            webhook.put({"auditID": str(number)})
        async with asyncio.timeout(5):
            while len(server.seen) < 3:
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        server.close()
    bodies = [body for _, _, body, _, _ in server.seen]
    assert [[event["auditID"] for event in body["items"]] for body in bodies] == [["0", "1"], ["0", "1"], ["2"]]
    assert bodies[0]["kind"] == "EventList"
    assert server.seen[0][3]["Authorization"] == "Bearer secret"
