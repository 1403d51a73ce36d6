"""The whole server: compaction and expired pages, restarts without loss, upstream's Python client, a clean stop."""

import base64
import json
import os
import signal
import subprocess
import time

import pytest

from apiserver.post_start_hooks import NAMES
from tests.apiserver.conftest import Api, Pair, config_map, until

pytestmark = pytest.mark.live


def checks(api: Api, endpoint: str) -> list[str]:
    return api.raw("GET", f"/{endpoint}?verbose")[2].decode().splitlines()


@pytest.fixture
def own(tmp_path):
    """A pair of its own, to be restarted and compacted."""
    made = Pair(tmp_path, "--etcd-compaction-interval=1s")
    try:
        made.start()
        made.wait_ready()
        yield made
    finally:
        made.stop()


def test_an_expired_page_offers_an_inconsistent_rest(own: Pair):
    api = Api(own)
    space = api.namespace("a")
    for index in range(6):
        api.json("POST", f"{space}/configmaps", config_map(f"c{index}"))
    _, page = api.json("GET", f"{space}/configmaps?limit=2")
    token = page["metadata"]["continue"]
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        api.json("PUT", f"{space}/configmaps/c0", config_map("c0", now=str(time.time())))
        status, answer = api.json("GET", f"{space}/configmaps?limit=2&continue={token}")
        if status != 200:
            break
        time.sleep(0.3)
    assert (status, answer["reason"]) == (410, "Expired")
    status, rest = api.json("GET", f"{space}/configmaps?limit=2&continue={answer['metadata']['continue']}")
    assert (status, [item["metadata"]["name"] for item in rest["items"]]) == (200, ["c2", "c3"])
    assert rest["metadata"]["resourceVersion"] != page["metadata"]["resourceVersion"]


def test_nothing_acknowledged_is_lost_by_kill(own: Pair):
    api = Api(own)
    space = api.namespace("a")
    _, made = api.json("POST", f"{space}/configmaps", config_map("kept", x="1"))
    own.server.kill()
    own.server.wait()
    own.start_server()
    own.wait_ready()
    assert api.json("GET", f"{space}/configmaps/kept") == (200, made)
    with api.watch(f"{space}/configmaps?watch=1&resourceVersion=1") as watch:
        kind, status = watch.next()
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        with pytest.raises(EOFError):
            watch.next()


def test_etcd_may_go_away_for_a_while(own: Pair):
    api = Api(own)
    space = api.namespace("a")
    own.etcd.kill()
    own.etcd.wait()
    assert api.json("GET", f"{space}/serviceaccounts/default")[0] == 200
    until(lambda: "[-]etcd failed: reason withheld" in checks(api, "livez"))
    assert api.raw("GET", "/livez")[0] == 500
    assert api.raw("GET", "/livez?exclude=etcd")[0] == 200
    own.start_etcd()
    status, made = api.json("POST", f"{space}/configmaps", config_map("a"))
    assert status == 201, made
    assert api.json("GET", f"{space}/configmaps/a")[0] == 200
    assert "[+]etcd ok" in checks(api, "livez")


def test_secrets_are_encrypted_at_rest(tmp_path):
    key = base64.b64encode(b"k" * 32).decode()
    config = tmp_path / "encryption.yaml"
    config.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
        f"- resources: [secrets]\n  providers: [{{aescbc: {{keys: [{{name: one, secret: {key}}}]}}}}, {{identity: {{}}}}]\n"
    )
    pair = Pair(tmp_path, f"--encryption-provider-config={config}")
    try:
        pair.start()
        pair.wait_ready()
        api = Api(pair)
        secret = {"metadata": {"name": "s"}, "stringData": {"word": "very-secret"}}
        _, made = api.json("POST", "/api/v1/namespaces/default/secrets", secret)
        raw = subprocess.run(
            [
                "etcdctl",
                "--endpoints",
                f"127.0.0.1:{pair.etcd_port}",
                "get",
                "--print-value-only",
                "/registry/secrets/default/s",
            ],
            env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]},
            capture_output=True,
            check=True,
        ).stdout
        assert raw.startswith(b"k8s:enc:aescbc:v1:one:")
        pair.server.terminate()
        pair.server.wait()
        pair.start_server()
        pair.wait_ready()
        assert api.json("GET", "/api/v1/namespaces/default/secrets/s") == (200, made)
        assert (
            api.json(
                "PATCH", "/api/v1/namespaces/default/secrets/s", {"data": {"x": "eA=="}}, "application/merge-patch+json"
            )[0]
            == 200
        )
    finally:
        pair.stop()


def test_the_audit_log_tells_who_did_what(tmp_path):
    pair = Pair(tmp_path, f"--audit-log-path={tmp_path}/audit.log")
    try:
        pair.start()
        pair.wait_ready()
        Api(pair).json("POST", "/api/v1/namespaces/default/configmaps", config_map("audited"))
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
        event = next(line for line in lines if line["verb"] == "create")
        assert event["user"]["username"] == "kubernetes-admin"
        reference = {"resource": "configmaps", "namespace": "default", "name": "audited", "apiVersion": "v1"}
        assert event["objectRef"] == reference
        assert (event["responseStatus"]["code"], event["level"]) == (201, "Metadata")
    finally:
        pair.stop()


def test_a_stop_ends_watches_cleanly_and_soon(own: Pair):
    api = Api(own)
    with api.watch("/api/v1/pods?watch=1&resourceVersion=0") as watch:
        started = time.monotonic()
        own.server.send_signal(signal.SIGTERM)
        with pytest.raises(EOFError):
            watch.next()
        assert own.server.wait(5) == 0
        assert time.monotonic() - started < 2


def test_health_names_what_is_done_after_the_start_as_upstream(own: Pair):
    api = Api(own)
    hooks = [f"[+]poststarthook/{name} ok" for name in NAMES]
    for endpoint in ("livez", "healthz"):
        assert checks(api, endpoint) == ["[+]ping ok", "[+]log ok", "[+]etcd ok", *hooks, f"{endpoint} check passed"]
    whole = ["[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]informer-sync ok", *hooks, "[+]shutdown ok"]
    assert checks(api, "readyz") == [*whole, "readyz check passed"]
    # They are made of what they stand for.
    assert api.json("GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")[0] == 200
    assert api.json("GET", "/api/v1/namespaces/default/services/kubernetes")[0] == 200
    one = api.raw("GET", "/readyz/poststarthook/rbac/bootstrap-roles")
    assert (one[0], one[2]) == (200, b"ok")


def test_a_server_without_fair_queues_does_not_name_them(tmp_path):
    pair = Pair(tmp_path, "--enable-priority-and-fairness=false")
    try:
        pair.start()
        pair.wait_ready()
        assert not [line for line in checks(Api(pair), "livez") if "fairness" in line]
    finally:
        pair.stop()


def test_readiness_fails_before_a_stop(tmp_path):
    pair = Pair(tmp_path, "--shutdown-delay-duration=2s")
    try:
        pair.start()
        pair.wait_ready()
        api = Api(pair)
        with api.watch("/api/v1/pods?watch=1&resourceVersion=0") as watch:
            pair.server.send_signal(signal.SIGTERM)
            until(lambda: api.raw("GET", "/readyz")[0] == 500)
            assert b"[-]shutdown failed: reason withheld" in api.raw("GET", "/readyz?verbose")[2]
            assert api.raw("GET", "/livez")[0] == 200
            assert api.json("POST", "/api/v1/namespaces", {"metadata": {"name": "late"}})[0] == 201
            with pytest.raises(EOFError):
                watch.next()
        assert pair.server.wait(5) == 0
    finally:
        pair.stop()


def test_upstreams_python_client(pair: Pair):
    from kubernetes import client, config, watch

    config.load_kube_config(str(pair.kubeconfig("admin")))
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    core.create_namespace({"metadata": {"name": "python"}})
    core.create_namespaced_config_map("python", {"metadata": {"name": "a"}, "data": {"x": "1"}})
    events = watch.Watch().stream(core.list_namespaced_config_map, "python", timeout_seconds=5)
    assert next(events)["object"].data == {"x": "1"}
    container = {"name": "c", "image": "busybox"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    apps.create_namespaced_deployment("python", {"metadata": {"name": "d"}, "spec": spec})
    scaled = apps.patch_namespaced_deployment_scale("d", "python", {"spec": {"replicas": 2}})
    assert scaled.spec.replicas == 2
    assert apps.read_namespaced_deployment("d", "python").spec.replicas == 2
    with pytest.raises(client.ApiException) as caught:
        core.read_namespaced_pod("none", "python")
    assert caught.value.status == 404
