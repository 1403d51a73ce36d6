"""A real etcd and API server for live tests, and a small client without retries or caches."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from run_apiserver import Pair

from tests.apiserver.issuer import Issuer


class Api:
    """Requests as an administrator; `json` gives (status, object)."""

    def __init__(self, pair: Pair, user: str = "admin") -> None:
        self.pair = pair
        self.tls = ssl.create_default_context(cafile=str(pair.certs / "ca.crt"))
        if user:
            self.tls.load_cert_chain(pair.certs / f"{user}.crt", pair.certs / f"{user}.key")

    def connect(self, timeout: float = 20) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.pair.port, context=self.tls, timeout=timeout)

    def raw(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        connection = self.connect()
        try:
            names = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    @staticmethod
    def encode(obj: Any) -> bytes:
        return json.dumps(obj).encode()

    def json(self, method: str, path: str, obj: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        body = obj if isinstance(obj, bytes) or obj is None else json.dumps(obj).encode()
        status, _, data = self.raw(method, path, body, **({"Content_Type": kind} if body is not None else {}))
        return status, json.loads(data)

    def namespace(self, name: str) -> str:
        """Make a namespace with its default ServiceAccount and return its path."""
        self.json("POST", "/api/v1/namespaces", {"metadata": {"name": name}, "apiVersion": "v1", "kind": "Namespace"})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self.json("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)
        return f"/api/v1/namespaces/{name}"

    def grant(self, user: str, *rules: dict[str, Any], name: str = "") -> None:
        """Give a user rights in the whole cluster, by a role and a binding of its name."""
        group, path = "rbac.authorization.k8s.io", "/apis/rbac.authorization.k8s.io/v1"
        meta = {"apiVersion": f"{group}/v1", "metadata": {"name": name or user}}
        role = meta | {"kind": "ClusterRole", "rules": list(rules)}
        binding = meta | {
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name or user},
            "subjects": [{"kind": "User", "name": user, "apiGroup": group}],
        }
        assert self.json("POST", f"{path}/clusterroles", role)[0] == 201
        assert self.json("POST", f"{path}/clusterrolebindings", binding)[0] == 201

    def add_debug_container(self, pod_path: str, container: dict[str, Any]) -> tuple[int, Any]:
        body = {"spec": {"ephemeralContainers": [container]}}
        return self.json("PATCH", f"{pod_path}/ephemeralcontainers", body, "application/strategic-merge-patch+json")

    def watch(self, path: str) -> Watch:
        return Watch(self, path)


class Watch:
    """A watch whose events are read one by one."""

    def __init__(self, api: Api, path: str) -> None:
        self._connection = api.connect(10)
        self._connection.request("GET", path)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()

    def next(self) -> tuple[str, Any]:
        line = self._answer.readline()
        if not line:
            raise EOFError
        event = json.loads(line)
        return event["type"], event["object"]

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def running(pair: Pair) -> Iterator[Pair]:
    try:
        pair.start()
        pair.wait_ready()
        yield pair
    finally:
        pair.stop()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory):
    yield from running(Pair(tmp_path_factory.mktemp("apiserver"), "--etcd-compaction-interval=0"))


@pytest.fixture(scope="session")
def api(pair: Pair) -> Api:
    return Api(pair)


_TOKENS = """\
static-secret,bob,uid-7,"readers,writers"
auditor-secret,auditor,uid-8
"""
_ADMISSION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {"enforce": "baseline"},
                "exemptions": {
                    "usernames": ["trusted"],
                    "namespaces": ["exempt"],
                    "runtimeClasses": ["exempt-class"],
                },
            },
        },
        {
            "name": "ResourceQuota",
            "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "ResourceQuotaConfiguration",
                "limitedResources": [
                    {
                        "resource": "pods",
                        "matchScopes": [{"scopeName": "PriorityClass", "operator": "In", "values": ["premium"]}],
                    },
                    {"resource": "persistentvolumeclaims", "matchContains": ["gold.storageclass.storage.k8s.io/"]},
                ],
            },
        },
    ],
}


def authentication(issuer: Issuer) -> dict[str, Any]:
    """Anonymous requests for health only, and an issuer of tokens."""
    mappings = {
        "username": {"claim": "sub", "prefix": "oidc:"},
        "groups": {"expression": "claims.roles.map(role, 'oidc:' + role)"},
        "uid": {"claim": "uid"},
        "extra": [{"key": "example.com/team", "valueExpression": "claims.?team.orValue('')"}],
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in ("/healthz", "/livez", "/readyz")]},
        "jwt": [
            {
                "issuer": {
                    "url": issuer.url,
                    "audiences": ["cluster", "other"],
                    "audienceMatchPolicy": "MatchAny",
                    "certificateAuthority": issuer.authority,
                },
                "claimMappings": mappings,
                "claimValidationRules": [{"expression": "claims.sub != 'mallory'", "message": "not mallory"}],
                "userValidationRules": [
                    {
                        "expression": "!user.groups.exists(g, g.startsWith('oidc:system:'))",
                        "message": "no system groups",
                    }
                ],
            }
        ],
    }


_AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: None
  resources: [{group: "", resources: [events]}]
- level: RequestResponse
  resources: [{group: "", resources: [configmaps, secrets]}]
- level: Metadata
  omitStages: [RequestReceived]
"""


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    """A server with what is off by default: NodeRestriction, static and bootstrap tokens, plugin configuration, audit."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "tokens.csv").write_text(_TOKENS)
    (directory / "admission.json").write_text(json.dumps(_ADMISSION))
    (directory / "audit.yaml").write_text(_AUDIT)
    issuer = Issuer(directory / "issuer")
    (directory / "authentication.json").write_text(json.dumps(authentication(issuer)))
    flags = (
        "--enable-admission-plugins=NodeRestriction",
        "--enable-bootstrap-token-auth=true",
        f"--token-auth-file={directory}/tokens.csv",
        f"--authentication-config={directory}/authentication.json",
        f"--admission-control-config-file={directory}/admission.json",
        f"--audit-policy-file={directory}/audit.yaml",
        f"--audit-log-path={directory}/audit.log",
    )
    made = Pair(directory, *flags)
    made.issuer = issuer
    yield from running(made)
    issuer.close()


_COUNTER = iter(range(1, 10**6))
_LOCK = threading.Lock()


@pytest.fixture
def ns(api: Api) -> str:
    """The path of a fresh namespace."""
    with _LOCK:
        return api.namespace(f"test-{next(_COUNTER)}")


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "busybox"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def until(check, seconds: float = 10.0):
    """Wait for a true answer and return it."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)
    return found


def sized(name: str, requests: Any = None, limits: Any = None, **spec: Any) -> dict[str, Any]:
    made = pod(name)
    made["spec"]["containers"][0]["resources"] = {"requests": requests or {}, "limits": limits or {}}
    made["spec"].update(spec)
    return made


def claim(name: str, storage: str, **spec: Any) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
