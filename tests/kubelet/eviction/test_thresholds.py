from kubelet.eviction.thresholds import DEFAULTS, Observation, breaches, message, rank

MI = 1 << 20


def pod(uid, request="0", priority=0):
    container = {"name": "c", "resources": {"requests": {"memory": request}}}
    return {"metadata": {"name": uid, "uid": uid}, "spec": {"containers": [container], "priority": priority}}


def test_quantities_and_percentages():
    observed = {"memory.available": Observation(50 * MI, 1024 * MI), "nodefs.available": Observation(9, 100)}
    found = breaches(DEFAULTS, observed)
    assert [(b.signal, b.threshold, b.condition) for b in found] == [
        ("memory.available", 100 * MI, "MemoryPressure"),
        ("nodefs.available", 10, "DiskPressure"),
    ]
    assert breaches({"memory.available": "0"}, observed) == []


def test_pods_over_their_request_go_first_then_low_priority_then_the_hungriest():
    pods = [
        pod("modest", "100Mi"),
        pod("small"),
        pod("big"),
        pod("vip", priority=10),
        pod("critical", priority=2_000_000_000),
    ]
    usage = {"modest": 50 * MI, "small": 1 * MI, "big": 90 * MI, "vip": 900 * MI, "critical": 900 * MI}
    assert [p["metadata"]["name"] for p in rank(pods, usage, "memory")] == ["big", "small", "vip", "modest"]


def test_the_message_names_the_culprit():
    breach = breaches(DEFAULTS, {"memory.available": Observation(50, 1024 * MI)})[0]
    assert message(breach, pod("p"), 7).endswith(
        "Container c was using 7, request is 0, has larger consumption of memory. "
    )
