import os
import signal
import subprocess
import time
import uuid

import pytest

from e2e.cluster import Cluster, wait_for
from e2e.images import build_busybox
from e2e.leaks import take_census
from e2e.manifests import deployment, pod, service


def test_stop_keeps_objects_start_brings_them_back_delete_leaves_nothing():
    cluster = Cluster.in_scratch(f"e2e-{uuid.uuid4().hex[:6]}")
    before = take_census(cluster.profile)
    cluster.start()
    build_busybox(cluster, "localhost/life:v1")
    cluster.apply(deployment("web", "localhost/life:v1", 2), service("web", type="NodePort"))
    cluster.wait_ready("app=web", 2)
    uid = cluster.get("deployment", "web")["metadata"]["uid"]

    cluster.run("stop")
    stopped = cluster.run("status", check=False)
    assert stopped.returncode == 7
    assert "host: Stopped" in stopped.stdout
    assert not take_census(cluster.profile).left_behind(before).get("links")

    cluster.start()
    assert cluster.get("deployment", "web")["metadata"]["uid"] == uid
    cluster.wait_ready("app=web", 2)

    cluster.delete()
    wait_for("nothing is left", lambda: not take_census(cluster.profile).left_behind(before), 10)


def test_programs_take_further_flags_when_the_cluster_starts_anew(tmp_path):
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit log"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n")
    cluster = Cluster.in_scratch(f"e2e-{uuid.uuid4().hex[:6]}")
    flags = [f"--extra-config=apiserver.audit-policy-file={policy}", f"--extra-config=apiserver.audit-log-path={log}"]
    try:
        cluster.run("start", *flags)
        cluster.kubectl("create", "configmap", "seen")
        wait_for("it is noted", lambda: '"name":"seen"' in log.read_text())
        refused = cluster.run("start", "--extra-config=apiserver.v=2", check=False)
        assert refused.returncode == 14
        assert "audit-log-path" in refused.stderr
        cluster.run("stop")
        cluster.run("start", "--extra-config=scheduler.leader-elect=true")
        size = log.stat().st_size
        wait_for(
            "the scheduler leads",
            lambda: cluster.kubectl("get", "lease", "kube-scheduler", "-n", "kube-system", check=False).returncode == 0,
        )
        assert log.stat().st_size == size
    finally:
        cluster.delete()


def test_two_clusters_stand_side_by_side(cluster: Cluster, busybox: str):
    second = Cluster.in_scratch(f"e2e-{uuid.uuid4().hex[:6]}")
    try:
        second.start()
        assert second.run("ip").stdout != cluster.run("ip").stdout
        build_busybox(second, "localhost/second:v1", greeting="second")
        second.apply(pod("web", "localhost/second:v1"), service("web"), pod("client", "localhost/second:v1"))
        second.wait_ready("app=web")
        second.wait_ready("app=client")
        assert (
            wait_for(
                "it answers",
                lambda: (
                    second.kubectl(
                        "exec", "client", "--", "timeout", "2", "wget", "-q", "-O", "-", "http://web/"
                    ).stdout
                ),
            )
            == "second\n"
        )
        assert cluster.get("nodes")["items"][0]["metadata"]["name"] == cluster.profile
        assert cluster.kubectl("get", "pod", "web", check=False).returncode == 1
    finally:
        second.delete()
    assert cluster.run("status").returncode == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", [0.4, 1.2])
def test_an_interrupted_start_can_be_started_again_and_deleted(ending: int, after: float):
    cluster = Cluster.in_scratch(f"e2e-{uuid.uuid4().hex[:6]}")
    before = take_census(cluster.profile)
    store = [f"--storage-root={cluster.home}/storage", f"--storage-runroot=/run/minikube-py-store-{cluster.profile}"]
    process = subprocess.Popen(
        [str(cluster.program), "start", "-p", cluster.profile, *store],
        env=cluster.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after)
    os.kill(process.pid, ending)
    process.wait(30)
    cluster.start()
    assert cluster.run("status").returncode == 0
    cluster.delete()
    wait_for("nothing is left", lambda: not take_census(cluster.profile).left_behind(before), 10)


def test_kubeconfig_of_others_is_not_harmed():
    cluster = Cluster.in_scratch(f"e2e-{uuid.uuid4().hex[:6]}")
    cluster.kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: mine\n  cluster: {server: 'https://example.invalid'}\n"
        "contexts:\n- name: mine\n  context: {cluster: mine, user: me}\nusers:\n- name: me\n  user: {token: t}\n"
        "current-context: mine\nextensions:\n- name: kept\n  extension: {a: 1}\n"
    )
    try:
        cluster.start()
        text = cluster.kubectl("config", "view", "--raw").stdout
        assert "example.invalid" in text and cluster.profile in text
        assert "kept" in cluster.kubeconfig.read_text()
        assert cluster.kubectl("config", "current-context").stdout.strip() == cluster.profile
        cluster.run("delete")
        assert "example.invalid" in cluster.kubeconfig.read_text()
        assert cluster.profile not in cluster.kubeconfig.read_text()
    finally:
        if cluster.directory.exists():
            cluster.run("delete")
        subprocess.run(["umount", "-R", "-l", f"{cluster.home}/storage/overlay"], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", str(cluster.home)], check=False)
