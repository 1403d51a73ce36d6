"""kubectl as people use it, against a live server: apply in both ways and from one to the other, diff, scale, patch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apiserver.conftest import Api

pytestmark = pytest.mark.live
KUBECTL = Path(sys.executable).with_name("kubectl")


def manifest(image: str, replicas: int, *variables: str) -> str:
    env = [{"name": name, "value": "1"} for name in variables]
    container = {"name": "c", "image": image, "ports": [{"containerPort": 80}], "env": env}
    labels = {"app": "web"}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})


class Kubectl:
    """kubectl in one namespace."""

    def __init__(self, config: Path, namespace: str) -> None:
        self._command = [str(KUBECTL), f"--kubeconfig={config}", f"--namespace={namespace}"]

    def __call__(self, *words: str, given: str = "", code: int = 0) -> str:
        done = subprocess.run([*self._command, *words], input=given, capture_output=True, text=True, timeout=30)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture
def kubectl(api: Api, ns: str) -> Kubectl:
    return Kubectl(api.pair.kubeconfig("admin"), ns.rpartition("/")[2])


def managers(kubectl: Kubectl) -> set[tuple[str, str]]:
    found = json.loads(kubectl("get", "deploy", "web", "-o", "json", "--show-managed-fields"))
    return {(row["manager"], row["operation"]) for row in found["metadata"]["managedFields"]}


def test_client_side_apply_becomes_server_side_apply(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", given=manifest("i:1", 2, "A", "B")) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", given=manifest("i:1", 2, "A", "B")) == "deployment.apps/web unchanged\n"
    difference = kubectl("diff", "-f", "-", given=manifest("i:2", 2, "A", "B"), code=1)
    assert "+      - image: i:2" in difference or "+        image: i:2" in difference
    assert ("kubectl-client-side-apply", "Update") in managers(kubectl)
    kubectl("apply", "--server-side", "-f", "-", given=manifest("i:2", 2, "A"))
    assert ("kubectl-client-side-apply", "Update") not in managers(kubectl)
    assert ("kubectl", "Apply") in managers(kubectl)
    env = kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env[*].name}")
    assert env == "A"
    assert kubectl("apply", "-f", "-", given=manifest("i:3", 2, "A")) == "deployment.apps/web configured\n"


def test_conflicts_are_shown_and_forced(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=manifest("i", 2))
    other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    told = kubectl(*other, given=manifest("i", 5), code=1)
    assert 'conflict with "kubectl": .spec.replicas' in told
    kubectl(*other, "--force-conflicts", given=manifest("i", 5))
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "5"
    kubectl("scale", "deploy", "web", "--replicas=3")
    shown = kubectl("get", "deploy", "web", "--subresource=scale").splitlines()
    assert (shown[0].split()[:3], shown[1].split()[:2]) == (["NAME", "DESIRED", "AVAILABLE"], ["web", "3"])


def test_objects_are_changed_listed_and_deleted(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", given=manifest("i", 1))
    kubectl("set", "image", "deploy/web", "c=j")
    kubectl("label", "deploy/web", "tier=front")
    kubectl("patch", "deploy/web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":4}]')
    kubectl(
        "patch",
        "deploy/web",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"readyReplicas":1,"replicas":4}}',
    )
    wide = kubectl("get", "deploy", "-l", "tier=front", "-o", "wide").splitlines()
    assert wide[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1].split()[:4] == ["web", "1/4", "0", "0"]
    kubectl("expose", "deploy/web", "--port=80")
    assert "service/web" in kubectl("get", "all", "-o", "name")
    dry = kubectl("create", "configmap", "c", "--from-literal=a=b", "--dry-run=server", "-o", "name")
    assert dry == "configmap/c\n"
    told = kubectl("create", "-f", "-", given=manifest("i", 1).replace('"replicas"', '"replica"'), code=1)
    assert 'strict decoding error: unknown field "spec.replica"' in told
    kubectl("delete", "deploy/web", "service/web", "--wait=false")
    assert kubectl("get", "deploy,svc", "--ignore-not-found") == ""
