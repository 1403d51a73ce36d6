from kubelet.pod_actions import KillReason, Kind, Verdicts, compute, container_hash
from kubelet.runtime.pod_state import ContainerRecord, Phase, PodState, SandboxRecord

NONE = Verdicts()


def pod(*names, policy="Always", init=(), status=None, **spec):
    containers = [n if isinstance(n, dict) else {"name": n, "image": "i"} for n in names]
    inits = [n if isinstance(n, dict) else {"name": n, "image": "i"} for n in init]
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": "u"},
        "spec": {"containers": containers, "initContainers": inits, "restartPolicy": policy, **spec},
        "status": status or {},
    }


def sandbox(ready=True, attempt=0, ips=("10.0.0.1",)):
    return SandboxRecord(f"s{attempt}", attempt, ready, attempt + 1, ips)


def record(name, phase=Phase.RUNNING, attempt=0, code=0, sandbox_id="s0", image="i"):
    digest = container_hash({"name": name, "image": image})
    return ContainerRecord(
        f"{name}{attempt}", name, attempt, sandbox_id, phase, created_at=attempt, exit_code=code, hash=digest
    )


def state(*records, boxes=None):
    found = tuple(sorted(records, key=lambda r: -r.created_at))
    return PodState("u", "p", "d", (sandbox(),) if boxes is None else boxes, found)


def started(actions):
    return [(s.spec["name"], s.attempt) for s in actions.start]


def test_a_new_pod_gets_a_sandbox_and_all_containers():
    actions = compute(pod("a", "b"), state(boxes=()), NONE)
    assert (actions.create_sandbox, actions.kill_pod, actions.attempt) == (True, False, 0)
    assert started(actions) == [("a", 0), ("b", 0)]


def test_a_new_pod_with_init_containers_starts_the_first_only():
    actions = compute(pod("a", init=("i", "j")), state(boxes=()), NONE)
    assert started(actions) == [("i", 0)]
    assert actions.start[0].kind is Kind.INIT


def test_nothing_to_do_when_all_run():
    actions = compute(pod("a"), state(record("a")), NONE)
    assert not actions.start
    assert not actions.kill
    assert not actions.kill_pod


def test_a_dead_sandbox_is_replaced_and_everything_started_anew():
    actions = compute(pod("a"), state(record("a", Phase.EXITED, code=137), boxes=(sandbox(ready=False),)), NONE)
    assert (actions.create_sandbox, actions.kill_pod, actions.attempt) == (True, True, 1)
    assert started(actions) == [("a", 1)]


def test_a_sandbox_without_address_is_replaced():
    assert compute(pod("a"), state(boxes=(sandbox(ips=()),)), NONE).create_sandbox
    assert not compute(
        pod("a", hostNetwork=True), state(record("a"), boxes=(SandboxRecord("s0", 0, True, 1, (), True),)), NONE
    ).create_sandbox


def test_a_finished_pod_gets_no_new_sandbox():
    exited = record("a", Phase.EXITED)
    actions = compute(pod("a", policy="OnFailure"), state(exited, boxes=(sandbox(ready=False),)), NONE)
    assert actions.finished
    assert not actions.create_sandbox


def test_restart_policies():
    for policy, code, expected in (
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ):
        actions = compute(pod("a", policy=policy), state(record("a", Phase.EXITED, code=code)), NONE)
        assert bool(actions.start) is expected, (policy, code)
        assert actions.finished is not expected, (policy, code)


def test_a_containers_own_policy_and_rules_win():
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    own = {"name": "a", "image": "i", "restartPolicy": "Never", "restartPolicyRules": [rule]}
    assert compute(pod(own), state(record("a", Phase.EXITED, code=42)), NONE).start
    assert compute(pod(own), state(record("a", Phase.EXITED, code=1)), NONE).finished


def test_attempt_counts_on_from_the_published_status_when_records_are_gone():
    status = {"containerStatuses": [{"name": "a", "restartCount": 4, "containerID": "x://1"}]}
    assert started(compute(pod("a", status=status), state(), NONE)) == [("a", 5)]


def test_init_containers_run_one_after_the_other():
    p = pod("a", init=("i", "j"))
    assert started(compute(p, state(record("i")), NONE)) == []
    assert started(compute(p, state(record("i", Phase.EXITED)), NONE)) == [("j", 0)]
    done = state(record("i", Phase.EXITED), record("j", Phase.EXITED))
    assert started(compute(p, done, NONE)) == [("a", 0)]


def test_a_failed_init_container_is_retried_or_ends_the_pod():
    failed = state(record("i", Phase.EXITED, code=1))
    assert started(compute(pod("a", init=("i",)), failed, NONE)) == [("i", 1)]
    assert started(compute(pod("a", init=("i",), policy="OnFailure"), failed, NONE)) == [("i", 1)]
    assert compute(pod("a", init=("i",), policy="Never"), failed, NONE).finished


SIDE = {"name": "s", "image": "i", "restartPolicy": "Always"}


def test_a_sidecar_lets_the_next_start_once_it_runs():
    assert started(compute(pod("a", init=(SIDE,)), state(record("s")), NONE)) == [("a", 0)]


def test_a_sidecar_with_a_startup_probe_must_pass_it_first():
    side = {**SIDE, "startupProbe": {"exec": {}}}
    p = pod("a", init=(side,))
    assert started(compute(p, state(record("s")), NONE)) == []
    assert started(compute(p, state(record("s")), Verdicts(started=frozenset({"s0"})))) == [("a", 0)]


def test_a_sidecar_comes_back_while_the_pod_lives_but_does_not_keep_it_alive():
    p = pod("a", init=(SIDE,), policy="Never")
    assert started(compute(p, state(record("s", Phase.EXITED, code=1), record("a")), NONE)) == [("s", 1)]
    ended = compute(p, state(record("s"), record("a", Phase.EXITED)), NONE)
    assert ended.finished


def test_failed_probes_and_changed_images_kill():
    p = pod("a")
    for verdicts, reason in (
        (Verdicts(failed_liveness=frozenset({"a0"})), KillReason.LIVENESS),
        (Verdicts(failed_startup=frozenset({"a0"})), KillReason.STARTUP),
    ):
        assert [k.reason for k in compute(p, state(record("a")), verdicts).kill] == [reason]
    changed = compute(pod({"name": "a", "image": "new"}), state(record("a")), NONE)
    assert [k.reason for k in changed.kill] == [KillReason.CHANGED]


def test_an_ephemeral_container_starts_once():
    p = pod("a")
    p["spec"]["ephemeralContainers"] = [{"name": "e", "image": "i"}]
    assert started(compute(p, state(record("a")), NONE)) == [("e", 0)]
    assert not compute(p, state(record("a"), record("e", Phase.EXITED, code=1)), NONE).start
