from kubelet.resources.amounts import limits_to_runtime, pod_requests, shares_to_milli


def test_shares_quota_and_bytes():
    found = limits_to_runtime({"requests": {"cpu": "100m"}, "limits": {"cpu": "1m", "memory": "64Mi"}})
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period, found.memory_limit) == (102, 1000, 100000, 64 << 20)
    assert limits_to_runtime({}).cpu_shares == 2
    assert limits_to_runtime({"limits": {"cpu": "2"}}).cpu_shares == 2048
    assert shares_to_milli(102) == 100


def container(cpu, **more):
    return {"name": cpu, "resources": {"requests": {"cpu": cpu}}, **more}


def test_pod_requests_follow_the_sidecar_rules():
    spec = {
        "containers": [container("100m"), container("200m")],
        "initContainers": [container("50m", restartPolicy="Always"), container("400m")],
        "overhead": {"cpu": "10m"},
    }
    assert pod_requests({"spec": spec})["cpu"] == 460
    spec["initContainers"] = [container("50m", restartPolicy="Always")]
    assert pod_requests({"spec": spec})["cpu"] == 360
