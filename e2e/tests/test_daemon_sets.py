"""DaemonSets, as a user of kubectl sees them."""

from e2e.cluster import Cluster, wait_for
from e2e.manifests import pod


def test_a_daemon_set_rolls_out_and_back(cluster: Cluster, busybox: str, namespace: str):
    flags = ["-n", namespace]
    template = pod("agent", busybox, ["sleep", "1000"], terminationGracePeriodSeconds=0, container={"env": []})
    live = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": template["spec"]},
        },
    }
    cluster.apply(live, flags=flags)
    said = cluster.kubectl("rollout", "status", "daemonset/agent", *flags, "--timeout=60s").stdout
    assert 'daemon set "agent" successfully rolled out' in said
    cluster.kubectl("set", "env", "daemonset/agent", "COLOUR=blue", *flags)
    cluster.kubectl("rollout", "status", "daemonset/agent", *flags, "--timeout=60s")
    assert cluster.kubectl("rollout", "history", "daemonset/agent", *flags).stdout.split()[-4::2] == ["1", "2"]

    def colour() -> str:
        there = cluster.get("pods", "-l", "app=agent", *flags)["items"]
        ready = [one for one in there if "deletionTimestamp" not in one["metadata"]]
        return cluster.kubectl("exec", ready[0]["metadata"]["name"], *flags, "--", "sh", "-c", "echo $COLOUR").stdout

    assert colour() == "blue\n"
    # Revisions are compared byte by byte.
    again = cluster.kubectl("rollout", "undo", "daemonset/agent", "--to-revision=2", *flags).stdout
    assert "skipped rollback" in again
    assert "rolled back" in cluster.kubectl("rollout", "undo", "daemonset/agent", *flags).stdout
    cluster.kubectl("rollout", "status", "daemonset/agent", *flags, "--timeout=60s")
    assert colour() == "\n"
    columns = cluster.kubectl("get", "daemonset", "agent", *flags, "--no-headers").stdout.split()
    assert columns[:6] == ["agent", "1", "1", "1", "1", "1"]
    cluster.kubectl("delete", "daemonset", "agent", *flags)
    wait_for("its pods go with it", lambda: not cluster.get("pods", "-l", "app=agent", *flags)["items"])
