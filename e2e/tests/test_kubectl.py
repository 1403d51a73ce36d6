import base64
import json
import os
import pty
import select
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from e2e.cluster import Cluster, wait_for
from e2e.manifests import deployment, pod


def kubectl_process(cluster: Cluster, *words: str, **settings) -> subprocess.Popen:
    return subprocess.Popen([cluster.kubectl_program, *words], env=cluster.environment, **settings)


def test_the_tour_of_read_commands(cluster: Cluster):
    wide = cluster.kubectl("get", "nodes", "-o", "wide").stdout
    assert wide.splitlines()[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert "control-plane" in wide and "Ready" in wide
    assert cluster.kubectl("get", "pods", "-A").returncode == 0
    resources = cluster.kubectl("api-resources").stdout
    for word in ("deployments", "customresourcedefinitions", "endpointslices", "horizontalpodautoscalers"):
        assert word in resources
    assert "containers" in cluster.kubectl("explain", "pod.spec").stdout
    assert "is running at" in cluster.kubectl("cluster-info").stdout


def test_run_logs_exec_and_delete(cluster: Cluster, busybox: str, namespace: str):
    cluster.kubectl("run", "one", f"--image={busybox}", "-n", namespace, "--", "sh", "-c", "echo first; sleep 1000")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/one", "-n", namespace, "--timeout=60s")
    assert cluster.kubectl("logs", "one", "-n", namespace).stdout == "first\n"
    assert cluster.kubectl("exec", "one", "-n", namespace, "--", "echo", "inside").stdout == "inside\n"
    failed = cluster.kubectl("exec", "one", "-n", namespace, "--", "sh", "-c", "exit 7", check=False)
    assert failed.returncode == 7
    cluster.kubectl("delete", "pod", "one", "-n", namespace, "--force", "--grace-period=0")
    assert cluster.kubectl("get", "pod", "one", "-n", namespace, check=False).returncode == 1


def test_exec_over_spdy(cluster: Cluster, busybox: str, namespace: str, monkeypatch: pytest.MonkeyPatch):
    """As clients before kubectl 1.31 do: each offered protocol is a header line of its own."""
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
    cluster.apply(pod("spdy", busybox), flags=["-n", namespace])
    cluster.wait_ready("app=spdy", namespace=namespace)
    echoed = cluster.kubectl("exec", "-i", "spdy", "-n", namespace, "--", "cat", stdin="through the pipe\n")
    assert echoed.stdout == "through the pipe\n"
    failed = cluster.kubectl("exec", "spdy", "-n", namespace, "--", "sh", "-c", "exit 7", check=False)
    assert failed.returncode == 7


def test_logs_follow_shows_lines_as_they_come(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        pod("talker", busybox, ["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 1; done"], restartPolicy="Never"),
        flags=["-n", namespace],
    )
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/talker", "-n", namespace, "--timeout=60s")
    assert cluster.kubectl("logs", "-f", "talker", "-n", namespace).stdout == "line 1\nline 2\nline 3\n"


def test_exec_with_a_terminal_and_input(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(pod("shell", busybox), flags=["-n", namespace])
    cluster.wait_ready("app=shell", namespace=namespace)
    echoed = cluster.kubectl("exec", "-i", "shell", "-n", namespace, "--", "cat", stdin="through the pipe\n")
    assert echoed.stdout == "through the pipe\n"
    controller, terminal = pty.openpty()
    process = kubectl_process(
        cluster,
        "exec",
        "-it",
        "shell",
        "-n",
        namespace,
        "--",
        "sh",
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    os.write(controller, b"echo on a $((40+2)) tty; test -t 0 && echo yes-tty; exit 3\n")
    said = b""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([controller], [], [], 0.2)[0]:
            try:
                said += os.read(controller, 4096)
            except OSError:
                break
    assert process.wait(10) == 3
    os.close(controller)
    assert b"on a 42 tty" in said and b"yes-tty" in said


def test_attach_shows_output(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        pod("ticker", busybox, ["sh", "-c", "while :; do echo tick; sleep 0.2; done"]), flags=["-n", namespace]
    )
    cluster.wait_ready("app=ticker", namespace=namespace)
    process = kubectl_process(cluster, "attach", "ticker", "-n", namespace, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "tick\n"
    finally:
        process.kill()
        process.wait()


def test_cp_both_ways(cluster: Cluster, busybox: str, namespace: str, tmp_path):
    cluster.apply(pod("box", busybox), flags=["-n", namespace])
    cluster.wait_ready("app=box", namespace=namespace)
    (tmp_path / "in.txt").write_text("payload\n" * 1000)
    cluster.kubectl("cp", str(tmp_path / "in.txt"), f"{namespace}/box:/tmp.txt")
    cluster.kubectl("cp", f"{namespace}/box:/tmp.txt", str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_text() == "payload\n" * 1000


def test_port_forward_reaches_the_container(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(pod("web", busybox), flags=["-n", namespace])
    cluster.wait_ready("app=web", namespace=namespace)
    process = kubectl_process(
        cluster, "port-forward", "pod/web", ":8080", "-n", namespace, stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as reply:
                assert reply.read() == b"hello\n"
    finally:
        process.kill()
        process.wait()


def test_deployment_lifecycle(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    cluster.kubectl("create", "deployment", "web", f"--image={busybox}", "--replicas=3", *flags)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", *flags)
    cluster.kubectl("scale", "deployment/web", "--replicas=1", *flags)
    cluster.wait_ready("app=web", 1, namespace)
    cluster.kubectl("set", "env", "deployment/web", "ROUND=2", *flags)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", *flags)
    history = cluster.kubectl("rollout", "history", "deployment/web", *flags).stdout
    assert history.split()[-2].isdigit() or "2" in history
    cluster.kubectl("rollout", "undo", "deployment/web", *flags)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", *flags)
    cluster.kubectl("set", "image", "deployment/web", f"e2e-busybox={busybox}", *flags)
    cluster.kubectl("delete", "deployment", "web", *flags)
    wait_for("its pods are gone", lambda: not cluster.get("pods", *flags)["items"])


@pytest.mark.parametrize("how", ["client", "server"])
def test_apply_creates_changes_and_removes_fields(cluster: Cluster, busybox: str, namespace: str, how: str):
    flags = ["-n", namespace, *(["--server-side"] if how == "server" else [])]
    manifest = deployment("app", busybox, 1)
    manifest["metadata"]["annotations"] = {"note": "first"}
    cluster.apply(manifest, flags=flags)
    manifest["metadata"]["annotations"] = {"other": "second"}
    manifest["spec"]["replicas"] = 2
    cluster.apply(manifest, flags=flags)
    live = cluster.get("deployment", "app", "-n", namespace)
    assert live["spec"]["replicas"] == 2
    assert "note" not in live["metadata"]["annotations"]
    assert live["metadata"]["annotations"]["other"] == "second"
    assert cluster.kubectl("diff", "-f", "-", *flags, stdin=json.dumps(manifest), check=False).returncode == 0


def test_server_side_apply_reports_conflicts(cluster: Cluster, namespace: str):
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"key": "mine"}}
    cluster.apply(manifest, flags=["-n", namespace, "--server-side", "--field-manager=first"])
    manifest["data"]["key"] = "yours"
    refused = cluster.kubectl(
        "apply",
        "--server-side",
        "--field-manager=second",
        "-n",
        namespace,
        "-f",
        "-",
        stdin=json.dumps(manifest),
        check=False,
    )
    assert refused.returncode == 1
    assert 'conflict with "first"' in refused.stderr
    cluster.apply(manifest, flags=["-n", namespace, "--server-side", "--field-manager=second", "--force-conflicts"])
    assert cluster.get("configmap", "c", "-n", namespace)["data"] == {"key": "yours"}


def test_get_formats_watch_and_describe(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    watching = kubectl_process(cluster, "get", "pods", "-w", "--no-headers", *flags, stdout=subprocess.PIPE, text=True)
    try:
        cluster.apply(pod("seen", busybox), flags=flags)
        assert watching.stdout.readline().split()[0] == "seen"
    finally:
        watching.kill()
        watching.wait()
    cluster.wait_ready("app=seen", namespace=namespace)
    wide = cluster.kubectl("get", "pod", "seen", "-o", "wide", *flags).stdout.splitlines()
    assert wide[0].split()[:4] == ["NAME", "READY", "STATUS", "RESTARTS"]
    assert wide[1].split()[1:4] == ["1/1", "Running", "0"]
    assert cluster.kubectl("get", "pod", "seen", "-o", "jsonpath={.status.phase}", *flags).stdout == "Running"
    assert "kind: Pod" in cluster.kubectl("get", "pod", "seen", "-o", "yaml", *flags).stdout
    described = cluster.kubectl("describe", "pod", "seen", *flags).stdout
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in described
    assert "Allocated resources" in cluster.kubectl("describe", "node", cluster.profile).stdout


def test_label_annotate_patch_and_edit(cluster: Cluster, namespace: str):
    flags = ["-n", namespace]
    cluster.kubectl("create", "configmap", "c", "--from-literal=a=1", *flags)
    cluster.kubectl("label", "configmap", "c", "tier=web", *flags)
    cluster.kubectl("annotate", "configmap", "c", "note=kept", *flags)
    cluster.kubectl("patch", "configmap", "c", "--type=merge", "-p", '{"data":{"b":"2"}}', *flags)
    edited = subprocess.run(
        [cluster.kubectl_program, "edit", "configmap", "c", *flags],
        env={**cluster.environment, "EDITOR": 'sed -i \'s/a: "1"/a: "9"/\''},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert edited.returncode == 0, edited.stderr
    live = cluster.get("configmap", "c", *flags)
    assert live["data"] == {"a": "9", "b": "2"}
    assert live["metadata"]["labels"] == {"tier": "web"}
    assert cluster.get("configmap", "-l", "tier=web", *flags)["items"][0]["metadata"]["name"] == "c"
    assert live["metadata"]["annotations"]["note"] == "kept"


def test_graceful_delete_lets_the_container_finish(cluster: Cluster, busybox: str, namespace: str, tmp_path):
    host = tmp_path / "out"
    host.mkdir()
    script = "trap 'sleep 1; echo bye > /out/said; exit 0' TERM; while :; do sleep 0.1; done"
    cluster.apply(
        pod(
            "polite",
            busybox,
            ["sh", "-c", script],
            container={"volumeMounts": [{"name": "out", "mountPath": "/out"}]},
            volumes=[{"name": "out", "hostPath": {"path": str(host)}}],
        ),
        flags=["-n", namespace],
    )
    cluster.wait_ready("app=polite", namespace=namespace)
    cluster.kubectl("delete", "pod", "polite", "-n", namespace, "--timeout=60s")
    assert (host / "said").read_text() == "bye\n"


def test_a_token_secret_gets_a_token_that_authenticates_until_the_account_goes(cluster: Cluster, namespace: str):
    flags = ["-n", namespace]
    cluster.kubectl("create", "serviceaccount", "robot", *flags)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "robot-token", "annotations": {"kubernetes.io/service-account.name": "robot"}},
            "type": "kubernetes.io/service-account-token",
        },
        flags=flags,
    )
    encoded = wait_for("there is a token", lambda: cluster.get("secret", "robot-token", *flags)["data"].get("token"))
    token = base64.b64decode(encoded).decode()
    # A client certificate would win over the token, so the kubeconfig's user is left out.
    asked = ["--kubeconfig=/dev/null", f"--server={server(cluster)}", "--insecure-skip-tls-verify", f"--token={token}"]
    who = cluster.kubectl(*asked, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    assert who == f"system:serviceaccount:{namespace}:robot"
    cluster.kubectl("delete", "serviceaccount", "robot", *flags)
    wait_for(
        "its secret goes with it",
        lambda: cluster.kubectl("get", "secret", "robot-token", *flags, check=False).returncode,
    )


def server(cluster: Cluster) -> str:
    return cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").stdout


def test_a_certificate_is_requested_approved_and_used(cluster: Cluster, namespace: str, tmp_path: Path):
    key, request = tmp_path / "jane.key", tmp_path / "jane.csr"
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(request), "-subj", "/O=testers/CN=jane"],
        check=True,
        capture_output=True,
    )
    cluster.apply(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": namespace},
            "spec": {
                "request": base64.b64encode(request.read_bytes()).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "expirationSeconds": 3600,
                "usages": ["digital signature", "client auth"],
            },
        }
    )
    assert "Pending" in cluster.kubectl("get", "csr", namespace).stdout
    cluster.kubectl("certificate", "approve", namespace)
    cluster.kubectl("wait", "--for=jsonpath={.status.certificate}", f"csr/{namespace}", "--timeout=30s")
    assert "Approved,Issued" in cluster.kubectl("get", "csr", namespace).stdout
    certificate = tmp_path / "jane.crt"
    certificate.write_bytes(base64.b64decode(cluster.get("csr", namespace)["status"]["certificate"]))
    certified = ["--user=", f"--client-certificate={certificate}", f"--client-key={key}"]
    who = cluster.kubectl("auth", "whoami", "-o", "json", *certified)
    told = json.loads(who.stdout)["status"]["userInfo"]
    assert (told["username"], told["groups"]) == ("jane", ["testers", "system:authenticated"])
    cluster.kubectl("delete", "csr", namespace)
