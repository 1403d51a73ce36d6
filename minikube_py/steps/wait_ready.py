"""Waits until the cluster is usable: API server ready, node Ready, `default` ServiceAccount there.

Plain http.client on purpose: an async client would cost the command more start time than the waiting itself.
"""

import http.client
import json
import ssl
import time
from typing import Any

from component.version import MINIKUBE_PY_VERSION
from minikube_py import certificates, supervisor
from minikube_py.profiles import Profile
from minikube_py.reasons import NOT_READY, Failure
from minikube_py.steps.interface import StartContext

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.25
_CRASHES_SHOWN = 20


class ApiProbe:
    """A few GETs at the API server as the administrator, over one kept-alive connection."""

    def __init__(self, profile: Profile, timeout: float = 5.0) -> None:
        where = certificates.directory(profile)
        context = ssl.create_default_context(cafile=str(where / "ca.crt"))
        context.load_cert_chain(str(where / "admin.crt"), str(where / "admin.key"))
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", profile.ports.apiserver, context=context, timeout=timeout
        )

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET; (0, b"") where nothing answers."""
        try:
            self._connection.request("GET", path)
            reply = self._connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, b""

    def json(self, path: str) -> dict[str, Any]:
        """The object at a path; empty where there is none."""
        status, body = self.get(path)
        if status != http.HTTPStatus.OK:
            return {}
        document: dict[str, Any] = json.loads(body)
        return document

    def label_node(self, name: str, labels: dict[str, str]) -> bool:
        """Set labels of a node that its kubelet may not set itself; False where the node is not there yet."""
        patch = json.dumps({"metadata": {"labels": labels}})
        try:
            self._connection.request(
                "PATCH", f"/api/v1/nodes/{name}", patch, {"Content-Type": "application/merge-patch+json"}
            )
            reply = self._connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return reply.status == http.HTTPStatus.OK

    def is_ready(self) -> bool:
        """Whether the API server says it is ready."""
        return self.get("/readyz")[0] == http.HTTPStatus.OK

    def node_is_ready(self, name: str) -> bool:
        """Whether the node's Ready condition is True."""
        conditions = self.json(f"/api/v1/nodes/{name}").get("status", {}).get("conditions") or []
        return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)

    def has_default_service_account(self) -> bool:
        """Whether pods can be created in the default namespace."""
        return bool(self.json("/api/v1/namespaces/default/serviceaccounts/default"))


def wait_ready(context: StartContext) -> None:
    """Wait for the cluster, telling each part as it comes.

    Raises:
        Failure: NOT_READY, with what is still missing and what the programs are doing.
    """
    profile, console = context.profile, context.console
    deadline = time.monotonic() + context.wait_seconds
    probe = ApiProbe(profile)
    for what, is_there in (
        ("API server is ready", probe.is_ready),
        ("node is registered", lambda: probe.label_node(profile.name, node_labels(profile))),
        (f"node {profile.name} is Ready", lambda: probe.node_is_ready(profile.name)),
        ("default ServiceAccount is there", probe.has_default_service_account),
    ):
        pause = _FIRST_PAUSE
        while not is_there():
            if time.monotonic() > deadline:
                raise Failure(
                    NOT_READY,
                    f"after {context.wait_seconds:.0f} s still waiting until {what}; {_programs(profile)}",
                    name=profile.name,
                )
            time.sleep(pause)
            pause = min(pause * 1.2, _LONGEST_PAUSE)
        console.say("sub", what)


def node_labels(profile: Profile) -> dict[str, str]:
    """The node's labels that only an administrator may set (NodeRestriction)."""
    return {
        "node-role.kubernetes.io/control-plane": "",
        "minikube.k8s.io/name": profile.name,
        "minikube.k8s.io/primary": "true",
        "minikube.k8s.io/version": f"v{MINIKUBE_PY_VERSION}",
    }


def _programs(profile: Profile) -> str:
    rows = supervisor.states(profile)
    wrong = [f"{row.name} is {row.state}" for row in rows if row.state != "RUNNING"]
    return ", ".join(wrong) if wrong else "all programs run"
