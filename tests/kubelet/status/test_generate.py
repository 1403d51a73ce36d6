from kubelet.pod_actions import container_hash
from kubelet.runtime.pod_state import ContainerRecord, Phase, PodState, SandboxRecord
from kubelet.status.container_statuses import Facts
from kubelet.status.generate import generate

NOW = "2026-01-01T00:00:00Z"
SECOND = 1_000_000_000


def pod(*names, init=(), policy="Always", status=None, **spec):
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": "u", "generation": 3},
        "spec": {
            "containers": [n if isinstance(n, dict) else {"name": n, "image": "i"} for n in names],
            "initContainers": [n if isinstance(n, dict) else {"name": n, "image": "i"} for n in init],
            "restartPolicy": policy,
            **spec,
        },
        "status": status or {},
    }


def record(name, phase=Phase.RUNNING, attempt=0, code=0):
    return ContainerRecord(
        f"{name}{attempt}",
        name,
        attempt,
        "s",
        phase,
        created_at=attempt,
        started_at=SECOND,
        finished_at=2 * SECOND,
        exit_code=code,
        image="i",
        image_id="sha256:1",
        hash=container_hash({"name": name}),
        restart_count=attempt,
    )


def status_of(p, *records, sandbox=True, terminal=False, reason="", **facts):
    boxes = (SandboxRecord("s", 0, True, 1, ("10.0.0.5",)),) if sandbox else ()
    state = PodState("u", "p", "d", boxes, tuple(sorted(records, key=lambda r: -r.attempt)))
    running = frozenset(r.id for r in records if r.running)
    known = Facts(
        now=NOW,
        host_ips=("192.168.0.1",),
        ready=facts.pop("ready", running),
        started=facts.pop("started", running),
        **facts,
    )
    return generate(p, state, known, terminal=terminal, reason=reason, message="m" if reason else "")


def conditions(status):
    return {c["type"]: (c["status"], c.get("reason")) for c in status["conditions"]}


def test_a_new_pod_is_pending_and_creating():
    status = status_of(pod("a"), sandbox=False)
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(status) == {
        "PodReadyToStartContainers": ("False", None),
        "Initialized": ("True", None),
        "Ready": ("False", "ContainersNotReady"),
        "ContainersReady": ("False", "ContainersNotReady"),
        "PodScheduled": ("True", None),
    }
    assert status["startTime"] == NOW
    assert status["hostIP"] == "192.168.0.1"
    assert "podIP" not in status


def test_a_running_pod():
    status = status_of(pod("a"), record("a"))
    assert status["phase"] == "Running"
    assert status["podIPs"] == [{"ip": "10.0.0.5"}]
    one = status["containerStatuses"][0]
    assert (one["ready"], one["started"], one["restartCount"], one["containerID"]) == (True, True, 0, "cri-o://a0")
    assert one["state"] == {"running": {"startedAt": "1970-01-01T00:00:01Z"}}
    assert conditions(status)["Ready"] == ("True", None)
    assert {c["observedGeneration"] for c in status["conditions"]} == {3}
    assert status["observedGeneration"] == 3


def test_readiness_decides():
    status = status_of(pod("a", "b"), record("a"), record("b"), ready=frozenset({"a0"}))
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [b]"
    assert status["phase"] == "Running"


def test_readiness_gates():
    gated = pod("a", readinessGates=[{"conditionType": "x/y"}])
    assert conditions(status_of(gated, record("a")))["Ready"] == ("False", "ReadinessGatesNotReady")
    gated["status"] = {"conditions": [{"type": "x/y", "status": "True", "lastTransitionTime": NOW}]}
    status = status_of(gated, record("a"))
    assert conditions(status)["Ready"] == ("True", None)
    assert "x/y" in conditions(status)


def test_back_off_keeps_the_pod_running_and_shows_why():
    status = status_of(
        pod("a"),
        record("a", Phase.EXITED, 1, 1),
        record("a", Phase.EXITED, 0, 1),
        failures={"a": ("CrashLoopBackOff", "back-off")},
    )
    one = status["containerStatuses"][0]
    assert status["phase"] == "Running"
    assert one["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    assert one["lastState"]["terminated"]["exitCode"] == 1
    assert one["restartCount"] == 1


def test_phases_of_ended_pods():
    assert status_of(pod("a", policy="Never"), record("a", Phase.EXITED))["phase"] == "Succeeded"
    assert status_of(pod("a", policy="Never"), record("a", Phase.EXITED, code=2))["phase"] == "Failed"
    assert status_of(pod("a", policy="OnFailure"), record("a", Phase.EXITED, code=2))["phase"] == "Running"
    assert status_of(pod("a"), record("a", Phase.EXITED), terminal=True)["phase"] == "Succeeded"
    both = status_of(pod("a", "b", policy="Never"), record("a", Phase.EXITED), record("b"))
    assert both["phase"] == "Running"
    done = status_of(pod("a", policy="Never"), record("a", Phase.EXITED))
    assert conditions(done)["Ready"] == ("False", "PodCompleted")
    assert conditions(done)["Initialized"] == ("True", "PodCompleted")


def test_eviction_fails_the_pod():
    status = status_of(pod("a"), record("a", Phase.EXITED), terminal=True, reason="Evicted")
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "m")


def test_init_containers_hold_the_pod_pending():
    status = status_of(pod("a", init=("i",)), record("i"))
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert conditions(status)["Initialized"] == ("False", "ContainersNotInitialized")
    second = status_of(pod("a", init=("i", "j")), record("i"))["initContainerStatuses"][1]
    assert second["state"] == {"waiting": {"reason": "PodInitializing"}}
    failed = status_of(pod("a", init=("i",), policy="Never"), record("i", Phase.EXITED, code=1))
    assert failed["phase"] == "Failed"
    passed = status_of(pod("a", init=("i",)), record("i", Phase.EXITED), record("a"))
    assert (passed["phase"], conditions(passed)["Initialized"]) == ("Running", ("True", None))


def test_a_sidecar_counts_for_readiness():
    side = {"name": "s", "image": "i", "restartPolicy": "Always"}
    status = status_of(pod("a", init=(side,)), record("s"), record("a"), ready=frozenset({"a0"}))
    assert conditions(status)["ContainersReady"] == ("False", "ContainersNotReady")
    assert status_of(pod("a", init=(side,)), record("s"), record("a"))["initContainerStatuses"][0]["ready"] is True


def test_transition_times_are_kept():
    first = status_of(pod("a"), record("a"))
    old = {"conditions": [{**c, "lastTransitionTime": "2020-01-01T00:00:00Z"} for c in first["conditions"]]}
    again = status_of(pod("a", status=old), record("a"))
    assert {c["lastTransitionTime"] for c in again["conditions"]} == {"2020-01-01T00:00:00Z"}


def test_host_network_pods_have_the_nodes_addresses():
    assert status_of(pod("a", hostNetwork=True), record("a"))["podIP"] == "192.168.0.1"


def test_what_has_been_published_survives_collected_records():
    gone = {"name": "i", "state": {"terminated": {"exitCode": 0}}, "ready": True, "containerID": "x", "restartCount": 0}
    status = status_of(pod("a", init=("i",), status={"initContainerStatuses": [gone]}), record("a"))
    assert status["initContainerStatuses"] == [gone]
