import json
import time

from e2e.cluster import Cluster


def test_start_ends_with_a_ready_node_a_default_service_account_and_the_current_context(cluster: Cluster):
    node = cluster.get("node", cluster.profile)
    assert {row["type"]: row["status"] for row in node["status"]["conditions"]}["Ready"] == "True"
    assert cluster.get("serviceaccount", "default")["metadata"]["name"] == "default"
    assert cluster.kubectl("config", "current-context").stdout.strip() == cluster.profile


def test_second_start_changes_nothing(cluster: Cluster):
    before = {name: cluster.program_pid(name) for name in ("etcd", "apiserver", "kubelet", "cri", "proxy", "addons")}
    began = time.monotonic()
    result = cluster.start()
    assert time.monotonic() - began < 10
    assert "running already" in result.stdout
    assert before == {name: cluster.program_pid(name) for name in before}


def test_status_tells_all_runs_in_text_and_json(cluster: Cluster):
    text = cluster.run("status").stdout
    assert text.startswith(
        f"{cluster.profile}\ntype: Control Plane\nhost: Running\nkubelet: Running\napiserver: Running\n"
    )
    status = json.loads(cluster.run("status", "-o", "json").stdout)
    assert (status["Host"], status["Kubelet"], status["APIServer"], status["Kubeconfig"]) == (
        "Running",
        "Running",
        "Running",
        "Configured",
    )


def test_ip_prints_the_node_address(cluster: Cluster):
    addresses = cluster.get("node", cluster.profile)["status"]["addresses"]
    assert cluster.run("ip").stdout.strip() in [row["address"] for row in addresses if row["type"] == "InternalIP"]


def test_profile_list_shows_the_cluster(cluster: Cluster):
    listed = json.loads(
        cluster._finish([str(cluster.program), "profile", "list", "-o", "json"], None, check=True, timeout=30).stdout
    )
    assert [row["Name"] for row in listed["valid"]] == [cluster.profile]
    assert listed["valid"][0]["Status"] == "OK"


def test_kubectl_of_the_matching_version_is_there(cluster: Cluster):
    version = json.loads(cluster.run("kubectl", "--", "version", "-o", "json").stdout)
    assert version["clientVersion"]["minor"] == version["serverVersion"]["minor"] == "36"


def test_ssh_runs_a_command_on_the_node(cluster: Cluster):
    assert cluster.run("ssh", "--", "echo", "over", "there").stdout == "over there\n"


def test_logs_shows_every_program(cluster: Cluster):
    text = cluster.run("logs", "-n", "1").stdout
    for program in ("etcd", "apiserver", "controllers", "scheduler", "kubelet", "proxy", "cri", "addons"):
        assert f"==> {program} <==" in text
