from kubelet.pod_admission import admit, forbidden_sysctl, infeasible

NODE = {"cpu": "1", "memory": "1Gi", "pods": "2"}


def pod(uid, cpu="100m", port=0, **spec):
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}, "ports": [{"hostPort": port}] if port else []}
    return {
        "metadata": {"name": uid, "uid": uid},
        "spec": {"containers": [container], **spec},
        "status": {"qosClass": "Burstable"},
    }


def test_resources():
    assert admit(pod("a"), [], NODE, {}, "n") is None
    reason, message = admit(pod("a", "800m"), [pod("b", "300m")], NODE, {}, "n")
    assert reason == "OutOfcpu"
    assert (
        message == "Pod was rejected: Node didn't have enough resource: cpu, requested: 800, used: 300, capacity: 1000"
    )
    assert admit(pod("a"), [pod("b"), pod("c")], NODE, {}, "n")[0] == "OutOfpods"


def test_ports_and_selectors():
    assert admit(pod("a", port=80), [pod("b", port=80)], NODE, {}, "n")[0] == "NodePorts"
    assert admit(pod("a", nodeSelector={"x": "y"}), [], NODE, {}, "n")[0] == "NodeAffinity"
    assert admit(pod("a", nodeSelector={"x": "y"}), [], NODE, {"x": "y"}, "n") is None
    term = {"matchExpressions": [{"key": "x", "operator": "In", "values": ["y"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    assert admit(pod("a", affinity=affinity), [], NODE, {}, "n")[0] == "NodeAffinity"
    assert admit(pod("a", affinity=affinity), [], NODE, {"x": "y"}, "n") is None


def test_a_port_is_free_on_another_address():
    def with_address(uid, address, protocol="TCP"):
        made = pod(uid)
        made["spec"]["containers"][0]["ports"] = [{"hostPort": 80, "hostIP": address, "protocol": protocol}]
        return made

    one = with_address("a", "127.0.0.1")
    assert admit(one, [with_address("b", "10.0.0.1")], NODE, {}, "n") is None
    assert admit(one, [with_address("b", "127.0.0.1", "UDP")], NODE, {}, "n") is None
    assert admit(one, [with_address("b", "127.0.0.1")], NODE, {}, "n")[0] == "NodePorts"
    assert admit(one, [with_address("b", "0.0.0.0")], NODE, {}, "n")[0] == "NodePorts"


def test_resources_that_the_kubelet_does_not_manage_are_the_schedulers_business():
    wants = pod("a")
    wants["spec"]["containers"][0]["resources"]["requests"]["example.com/dongle"] = "1"
    assert admit(wants, [], NODE, {}, "n") is None
    assert admit(wants, [wants, pod("b")], {**NODE, "example.com/dongle": "0"}, {}, "n")[0] == "OutOfexample.com/dongle"


def test_sysctls_must_be_safe_or_allowed():
    def with_sysctl(name, **spec):
        return pod("a", securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)

    assert forbidden_sysctl(with_sysctl("kernel.shm_rmid_forced"), ()) is None
    assert forbidden_sysctl(with_sysctl("kernel.msgmax"), ())[0] == "SysctlForbidden"
    assert forbidden_sysctl(with_sysctl("kernel.msgmax"), ("kernel.msg*",)) is None
    assert forbidden_sysctl(with_sysctl("net.ipv4.tcp_syncookies", hostNetwork=True), ()) is not None


def test_what_could_never_fit():
    assert infeasible(pod("a", "3"), NODE) == "Node didn't have enough capacity: cpu, requested: 3000, capacity: 1000"
    assert infeasible(pod("a"), NODE) == ""
