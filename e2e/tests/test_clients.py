"""Upstream's clients of all supported versions, unchanged: kubectl 1.32 to 1.37, helm 3 and 4, kopf."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2e import clients
from e2e.cluster import Cluster, wait_for
from e2e.manifests import deployment


@pytest.mark.parametrize("version", clients.KUBECTLS)
def test_each_kubectl_takes_the_tour(
    cluster: Cluster, busybox: str, namespace: str, version: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KUBECTL", str(clients.kubectl(version)))
    flags = ["-n", namespace]
    assert f"v{version}." in cluster.kubectl("version", "-o", "json").stdout
    assert "containers" in cluster.kubectl("explain", "pod.spec").stdout
    cluster.apply(deployment("web", busybox, replicas=1), flags=flags)
    cluster.kubectl("rollout", "status", "deployment/web", *flags, "--timeout=60s")
    wide = cluster.kubectl("get", "pods", "-o", "wide", *flags).stdout
    assert wide.split("\n", 1)[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    echoed = cluster.kubectl("exec", "-i", "deployment/web", *flags, "--", "cat", stdin="through\n")
    assert echoed.stdout == "through\n"
    cluster.kubectl("scale", "deployment/web", "--replicas=2", *flags)
    cluster.apply(deployment("web", busybox, replicas=2), flags=[*flags, "--server-side", "--force-conflicts"])
    assert "ScalingReplicaSet" in cluster.kubectl("describe", "deployment/web", *flags).stdout
    assert "Event" in cluster.kubectl("api-resources").stdout
    assert cluster.kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"
    assert cluster.kubectl("create", "configmap", "c", "--from-literal=a=b", "--dry-run=server", *flags).returncode == 0
    patch = '{"metadata":{"labels":{"v":"1"}}}'
    cluster.kubectl("patch", "deployment/web", "-p", patch, *flags)
    assert cluster.kubectl("get", "deployment", "-l", "v=1", "-o", "name", *flags).stdout == "deployment.apps/web\n"
    cluster.kubectl("delete", "deployment", "web", *flags)


_CHART = {
    "Chart.yaml": "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: '1'\n",
    "values.yaml": "greeting: hello\nreplicas: 1\nimage: none\n",
    "crds/widgets.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.demo.example.com}
spec:
  group: demo.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
""",
    "templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-config}
data: {greeting: {{ .Values.greeting }}}
---
apiVersion: demo.example.com/v1
kind: Widget
metadata: {name: {{ .Release.Name }}}
spec: {size: 3}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}, annotations: {greeting: {{ .Values.greeting }}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: {{ .Values.image }}, command: [sleep, "1000"]}]
""",
}


@pytest.mark.parametrize("version", clients.HELMS)
def test_each_helm_installs_upgrades_and_rolls_back(
    cluster: Cluster, busybox: str, namespace: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"HELM_{name}_HOME", str(tmp_path / name))
    chart = tmp_path / "demo"
    for name, text in _CHART.items():
        (chart / name).parent.mkdir(parents=True, exist_ok=True)
        (chart / name).write_text(text)

    def helm(*words: str) -> str:
        return cluster.execute(str(clients.helm(version)), *words, "-n", namespace).stdout

    def greeting() -> str:
        return cluster.get("configmap", "rel-config", "-n", namespace)["data"]["greeting"]

    wait = ["--wait", "--timeout", "60s", "--set", f"image={busybox}"]
    assert "STATUS: deployed" in helm("install", "rel", str(chart), *wait)
    assert cluster.get("deployment", "rel", "-n", namespace)["status"]["readyReplicas"] == 1
    assert cluster.get("widget", "rel", "-n", namespace)["spec"]["size"] == 3
    helm("upgrade", "rel", str(chart), *wait, "--set", "greeting=again", "--set", "replicas=2")
    assert greeting() == "again"
    assert cluster.get("deployment", "rel", "-n", namespace)["status"]["readyReplicas"] == 2
    helm("rollback", "rel", "1", "--wait", "--timeout", "60s")
    assert greeting() == "hello"
    assert "superseded" in helm("history", "rel")
    assert "rel" in helm("list", "-q")
    helm("uninstall", "rel", "--wait")
    assert cluster.get("deployment", "-n", namespace)["items"] == []


_OPERATOR = """
import kopf

@kopf.on.create("demo.example.org", "v1", "gadgets")
def created(spec, patch, namespace, name, body, **_):
    patch.status["seen"] = spec["size"] + 1
    kopf.info(body, reason="Seen", message="the operator saw it")
    return {"made": name}

@kopf.on.field("demo.example.org", "v1", "gadgets", field="spec.size")
def resized(old, new, patch, **_):
    patch.status["size"] = new

@kopf.on.delete("demo.example.org", "v1", "gadgets")
def deleted(logger, **_):
    logger.info("gone")
"""


def _gadgets() -> dict:
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {"type": "object", "properties": {"size": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.demo.example.org"},
        "spec": {
            "group": "demo.example.org",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


def test_an_operator_made_with_kopf_handles_its_objects(cluster: Cluster, namespace: str, tmp_path: Path):
    program = tmp_path / "operator.py"
    program.write_text(_OPERATOR)
    cluster.apply(_gadgets())
    cluster.kubectl("wait", "--for=condition=Established", "crd/gadgets.demo.example.org", "--timeout=30s")
    log = tmp_path / "log"
    with log.open("w") as out:
        command = [sys.executable, "-m", "kopf", "run", "-n", namespace, "--standalone", str(program)]
        operator = subprocess.Popen(command, env=cluster.environment, stdout=out, stderr=out)
    try:
        gadget = {"apiVersion": "demo.example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 1}}
        cluster.apply(gadget, flags=["-n", namespace])

        def status() -> dict:
            assert operator.poll() is None, log.read_text()
            return cluster.get("gadget", "g", "-n", namespace).get("status") or {}

        wait_for("the operator wrote the status", lambda: status().get("seen") == 2)
        cluster.kubectl("patch", "gadget", "g", "-n", namespace, "--type=merge", "-p", '{"spec":{"size":5}}')
        wait_for("the operator saw the change", lambda: status().get("size") == 5)
        assert cluster.get("gadget", "g", "-n", namespace)["metadata"]["finalizers"]
        wait_for(
            "its event is there",
            lambda: "the operator saw it" in cluster.kubectl("get", "events", "-n", namespace).stdout,
        )
        cluster.kubectl("delete", "gadget", "g", "-n", namespace, "--timeout=30s")
    finally:
        operator.terminate()
        operator.wait(30)
    cluster.kubectl("delete", "crd", "gadgets.demo.example.org")
