import base64
import json
import subprocess
import time
from pathlib import Path

from e2e.cluster import Cluster, wait_for
from e2e.manifests import pod


def finished(cluster: Cluster, namespace: str, name: str) -> dict:
    def over():
        live = cluster.get("pod", name, "-n", namespace)
        return live if live["status"]["phase"] in ("Succeeded", "Failed") else None

    return wait_for(f"{name} ends", over)


def output(cluster: Cluster, namespace: str, name: str) -> str:
    finished(cluster, namespace, name)
    return cluster.kubectl("logs", name, "-n", namespace).stdout


def test_config_maps_and_secrets_as_environment_and_files(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"color": "green"}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s"},
            "data": {"word": base64.b64encode(b"sesame").decode()},
        },
        pod(
            "reader",
            busybox,
            ["sh", "-c", "echo $COLOR $word; cat /c/color; echo; cat /s/word; stat -c %a -L /s/word"],
            container={
                "env": [{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "color"}}}],
                "envFrom": [{"secretRef": {"name": "s"}}],
                "volumeMounts": [{"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s"}],
            },
            volumes=[
                {"name": "c", "configMap": {"name": "c"}},
                {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
            ],
            restartPolicy="Never",
        ),
        flags=["-n", namespace],
    )
    assert output(cluster, namespace, "reader") == "green sesame\ngreen\nsesame400\n"


def test_config_map_volume_follows_a_change(cluster: Cluster, busybox: str, namespace: str):
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"color": "green"}}
    cluster.apply(
        made,
        pod(
            "reader",
            busybox,
            container={"volumeMounts": [{"name": "c", "mountPath": "/c"}]},
            volumes=[{"name": "c", "configMap": {"name": "c"}}],
        ),
        flags=["-n", namespace],
    )
    cluster.wait_ready("app=reader", namespace=namespace)
    made["data"]["color"] = "blue"
    cluster.apply(made, flags=["-n", namespace])
    wait_for(
        "the file changes",
        lambda: cluster.kubectl("exec", "reader", "-n", namespace, "--", "cat", "/c/color").stdout == "blue",
        120,
    )


def test_empty_dir_is_shared_by_containers_and_arguments_expand(cluster: Cluster, busybox: str, namespace: str):
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    manifest = pod(
        "pair",
        busybox,
        ["sh", "-c", "until [ -s /shared/word ]; do sleep 0.1; done; cat /shared/word"],
        container={"volumeMounts": mounts},
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="Never",
    )
    manifest["spec"]["containers"].append(
        {
            "name": "writer",
            "image": busybox,
            "command": ["sh", "-c"],
            "args": ["echo $(WHO)-$(NOT) > /shared/word"],
            "env": [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "volumeMounts": mounts,
        }
    )
    cluster.apply(manifest, flags=["-n", namespace])
    finished(cluster, namespace, "pair")
    # sh sees `$(NOT)` as it stands (the kubelet leaves unknown names alone) and runs it as a command.
    assert cluster.kubectl("logs", "pair", "-c", "main", "-n", namespace).stdout == "pair-\n"


def test_init_containers_run_in_order_before_the_others(cluster: Cluster, busybox: str, namespace: str):
    mounts = [{"name": "d", "mountPath": "/d"}]
    cluster.apply(
        pod(
            "ordered",
            busybox,
            ["cat", "/d/f"],
            container={"volumeMounts": mounts},
            restartPolicy="Never",
            initContainers=[
                {
                    "name": f"i{n}",
                    "image": busybox,
                    "command": ["sh", "-c", f"echo {n} >> /d/f"],
                    "volumeMounts": mounts,
                }
                for n in (1, 2)
            ],
            volumes=[{"name": "d", "emptyDir": {}}],
        ),
        flags=["-n", namespace],
    )
    assert output(cluster, namespace, "ordered") == "1\n2\n"


def test_restart_policies_decide_the_phase(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        pod("good", busybox, ["true"], restartPolicy="Never"),
        pod("bad", busybox, ["sh", "-c", "exit 3"], restartPolicy="Never"),
        flags=["-n", namespace],
    )
    assert finished(cluster, namespace, "good")["status"]["phase"] == "Succeeded"
    bad = finished(cluster, namespace, "bad")
    assert bad["status"]["phase"] == "Failed"
    state = bad["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (3, "Error")


def test_a_crashing_container_comes_back_with_back_off(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(pod("crasher", busybox, ["sh", "-c", "exit 1"]), flags=["-n", namespace])

    def backing_off():
        rows = cluster.get("pod", "crasher", "-n", namespace)["status"].get("containerStatuses") or [{}]
        waiting = rows[0].get("state", {}).get("waiting", {})
        return waiting.get("reason") == "CrashLoopBackOff" and rows[0]

    row = wait_for("it is in CrashLoopBackOff", backing_off)
    assert row["restartCount"] >= 1
    assert row["lastState"]["terminated"]["exitCode"] == 1
    assert "back-off" in row["state"]["waiting"]["message"]
    wait_for(
        "it is started again",
        lambda: (
            cluster.get("pod", "crasher", "-n", namespace)["status"]["containerStatuses"][0]["restartCount"]
            > row["restartCount"]
        ),
        40,
    )


def test_liveness_probe_restarts_and_readiness_does_not(cluster: Cluster, busybox: str, namespace: str):
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    dead = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.apply(
        pod("live", busybox, container={"livenessProbe": probe, "readinessProbe": probe}),
        pod("dead", busybox, container={"livenessProbe": dead}),
        pod("unready", busybox, container={"readinessProbe": dead}),
        flags=["-n", namespace],
    )
    cluster.wait_ready("app=live", namespace=namespace)
    wait_for(
        "the dead one is restarted",
        lambda: cluster.get("pod", "dead", "-n", namespace)["status"]["containerStatuses"][0]["restartCount"] >= 1,
    )
    time.sleep(2)
    rows = {n: cluster.get("pod", n, "-n", namespace)["status"]["containerStatuses"][0] for n in ("live", "unready")}
    assert (rows["live"]["restartCount"], rows["live"]["ready"]) == (0, True)
    assert (rows["unready"]["restartCount"], rows["unready"]["ready"]) == (0, False)


def test_host_path_and_downward_files(cluster: Cluster, busybox: str, namespace: str, tmp_path):
    (tmp_path / "word").write_text("from the host")
    cluster.apply(
        pod(
            "mixed",
            busybox,
            ["sh", "-c", "cat /h/word; echo; cat /d/labels"],
            restartPolicy="Never",
            container={"volumeMounts": [{"name": "h", "mountPath": "/h"}, {"name": "d", "mountPath": "/d"}]},
            volumes=[
                {"name": "h", "hostPath": {"path": str(tmp_path), "type": "Directory"}},
                {
                    "name": "d",
                    "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
                },
            ],
        ),
        flags=["-n", namespace],
    )
    assert output(cluster, namespace, "mixed") == 'from the host\napp="mixed"'


def test_security_context_is_applied(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        pod(
            "locked",
            busybox,
            ["sh", "-c", "id -u; touch /x 2>&1; grep CapEff /proc/self/status"],
            restartPolicy="Never",
            securityContext={"runAsUser": 1234},
            container={"securityContext": {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}},
        ),
        flags=["-n", namespace],
    )
    said = output(cluster, namespace, "locked")
    assert said.splitlines()[0] == "1234"
    assert "Read-only file system" in said
    assert "CapEff:\t0000000000000000" in said


def test_mounts_pass_between_the_host_and_a_pod(cluster: Cluster, busybox: str, namespace: str, tmp_path: Path):
    from_host, from_pod = tmp_path / "from-host", tmp_path / "from-pod"
    from_host.mkdir()
    from_pod.mkdir()
    script = "mount -t tmpfs t /data/from-pod && touch /data/from-pod/made && sleep 1000"
    mount = {"name": "data", "mountPath": "/data", "mountPropagation": "Bidirectional"}
    manifest = pod(
        "mounter",
        busybox,
        ["sh", "-c", script],
        container={"volumeMounts": [mount], "securityContext": {"privileged": True}},
        volumes=[{"name": "data", "hostPath": {"path": str(tmp_path)}}],
    )
    cluster.apply(manifest, flags=["-n", namespace])
    try:
        wait_for("the pod's mount shows on the host", (from_pod / "made").exists)
        subprocess.run(["mount", "-t", "tmpfs", "t", from_host], check=True)
        (from_host / "seen").touch()
        words = ["exec", "mounter", "-n", namespace, "--", "ls", "/data/from-host"]
        wait_for("the host's mount shows in the pod", lambda: cluster.kubectl(*words).stdout == "seen\n")
    finally:
        cluster.kubectl("delete", "pod", "mounter", "-n", namespace, "--wait")
        for point in (from_host, from_pod):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def test_a_pod_for_a_label_or_a_resource_that_the_node_just_got_is_admitted(
    cluster: Cluster, busybox: str, namespace: str
):
    node = cluster.profile
    mark = f"{namespace}.example.com/mark"
    selected = pod("selected", busybox, nodeSelector={mark: "yes"})
    patch = json.dumps({"metadata": {"labels": {mark: "yes"}}})
    cluster.kubectl("patch", "node", node, "-p", patch)
    cluster.apply(selected, flags=["-n", namespace])
    cluster.wait_ready("app=selected", namespace=namespace)
    dongle = json.dumps({"status": {"capacity": {f"{namespace}.example.com/dongle": "2"}}})
    cluster.kubectl("patch", "node", node, "--subresource=status", "-p", dongle)
    limits = {"resources": {"limits": {f"{namespace}.example.com/dongle": "2"}}}
    cluster.apply(pod("plugged", busybox, container=limits), flags=["-n", namespace])
    cluster.wait_ready("app=plugged", namespace=namespace)
    cluster.apply(pod("waits", busybox, container=limits), flags=["-n", namespace])
    wait_for(
        "the third has no room",
        lambda: (
            f"Insufficient {namespace}.example.com/dongle"
            in cluster.kubectl("describe", "pod/waits", "-n", namespace).stdout
        ),
    )
    cluster.kubectl("label", "node", node, f"{mark}-")
    back = json.dumps([{"op": "remove", "path": f"/status/capacity/{namespace}.example.com~1dongle"}])
    cluster.kubectl("patch", "node", node, "--subresource=status", "--type=json", "-p", back)
