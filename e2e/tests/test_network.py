import urllib.request

from e2e.cluster import Cluster, wait_for
from e2e.manifests import deployment, pod, service


def shell(cluster: Cluster, namespace: str, name: str, script: str, check: bool = True) -> str:
    return cluster.kubectl("exec", name, "-n", namespace, "--", "sh", "-c", script, check=check).stdout


def test_a_deployment_is_reached_through_its_service_by_name_from_another_pod(
    cluster: Cluster, busybox: str, namespace: str
):
    cluster.apply(deployment("web", busybox, 3), service("web"), pod("client", busybox), flags=["-n", namespace])
    pods = cluster.wait_ready("app=web", 3, namespace)
    cluster.wait_ready("app=client", 1, namespace)
    assert len({one["status"]["podIP"] for one in pods}) == 3
    for name in ("web", f"web.{namespace}", f"web.{namespace}.svc.cluster.local"):
        answer = wait_for(
            "the service answers",
            lambda name=name: shell(cluster, namespace, "client", f"timeout 5 wget -q -O - http://{name}/"),
        )
        assert answer == "hello\n"


def test_pods_reach_each_other_the_node_and_the_api(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(pod("a", busybox), pod("b", busybox), flags=["-n", namespace])
    cluster.wait_ready("app=a", 1, namespace)
    b = cluster.wait_ready("app=b", 1, namespace)[0]
    assert shell(cluster, namespace, "a", f"timeout 5 wget -q -O - http://{b['status']['podIP']}:8080/") == "hello\n"
    assert "reached" in shell(
        cluster, namespace, "a", f"nc -w 2 {cluster.run('ip').stdout.strip()} 10250 </dev/null && echo reached"
    )
    token = shell(cluster, namespace, "a", "cat /var/run/secrets/kubernetes.io/serviceaccount/token")
    assert token.count(".") == 2
    assert (
        shell(cluster, namespace, "a", "nc -w 2 $KUBERNETES_SERVICE_HOST 443 </dev/null && echo reached") == "reached\n"
    )


def test_node_port_and_cluster_ip_answer_on_the_host(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(deployment("web", busybox, 2), service("web", type="NodePort"), flags=["-n", namespace])
    cluster.wait_ready("app=web", 2, namespace)
    live = cluster.get("service", "web", "-n", namespace)
    port, address = live["spec"]["ports"][0]["nodePort"], live["spec"]["clusterIP"]

    def fetch(url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=3) as reply:
            return reply.read()

    assert (
        wait_for("the NodePort answers", lambda: fetch(f"http://{cluster.run('ip').stdout.strip()}:{port}/"))
        == b"hello\n"
    )
    assert wait_for("the ClusterIP answers", lambda: fetch(f"http://{address}/")) == b"hello\n"


def test_only_ready_pods_are_endpoints(cluster: Cluster, busybox: str, namespace: str):
    probe = {"exec": {"command": ["test", "-e", "/tmp-ready"]}, "periodSeconds": 1}
    cluster.apply(
        pod("web", busybox, container={"readinessProbe": probe}),
        service("web"),
        pod("client", busybox),
        flags=["-n", namespace],
    )
    cluster.wait_ready("app=client", 1, namespace)
    wait_for("it runs", lambda: cluster.get("pod", "web", "-n", namespace)["status"].get("phase") == "Running")
    refused = cluster.kubectl(
        "exec", "client", "-n", namespace, "--", "timeout", "2", "wget", "-q", "-O", "-", "http://web/", check=False
    )
    assert refused.returncode != 0
    shell(cluster, namespace, "web", "touch /tmp-ready")
    assert (
        wait_for(
            "it answers once ready", lambda: shell(cluster, namespace, "client", "timeout 2 wget -q -O - http://web/")
        )
        == "hello\n"
    )


def test_headless_service_resolves_to_pod_addresses(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        deployment("web", busybox, 2), service("web", clusterIP="None"), pod("client", busybox), flags=["-n", namespace]
    )
    pods = cluster.wait_ready("app=web", 2, namespace)
    cluster.wait_ready("app=client", 1, namespace)
    said = wait_for(
        "both are resolved",
        lambda: (
            (
                text := shell(cluster, namespace, "client", f"nslookup web.{namespace}.svc.cluster.local"),
                all(one["status"]["podIP"] in text for one in pods),
            )[1]
            and text
        ),
    )
    assert said


def test_expose_and_service_update(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(deployment("web", busybox, 1), pod("client", busybox), flags=["-n", namespace])
    cluster.kubectl("expose", "deployment", "web", "--port=81", "--target-port=8080", "-n", namespace)
    cluster.wait_ready("app=web", 1, namespace)
    cluster.wait_ready("app=client", 1, namespace)
    assert (
        wait_for("it answers", lambda: shell(cluster, namespace, "client", "timeout 2 wget -q -O - http://web:81/"))
        == "hello\n"
    )


def test_host_port_is_published_on_the_node(cluster: Cluster, busybox: str, namespace: str):
    ports = [{"containerPort": 8080, "hostPort": 28080}]
    cluster.apply(pod("published", busybox, container={"ports": ports}), flags=["-n", namespace])
    cluster.wait_ready("app=published", 1, namespace)
    with urllib.request.urlopen(f"http://{cluster.run('ip').stdout.strip()}:28080/", timeout=5) as reply:
        assert reply.read() == b"hello\n"
