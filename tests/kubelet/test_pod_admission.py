from kubelet.pod_admission import admit

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
