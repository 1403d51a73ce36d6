from kubelet.runtime.garbage import surplus
from kubelet.runtime.pod_state import ContainerRecord, Phase, PodState, SandboxRecord


def test_the_last_dead_container_of_each_name_stays():
    def record(attempt, phase=Phase.EXITED, box="s1"):
        return ContainerRecord(f"c{attempt}", "c", attempt, box, phase, created_at=attempt)

    boxes = (SandboxRecord("s1", 1, True, 2), SandboxRecord("s0", 0, False, 1))
    state = PodState(
        "u", "p", "d", boxes, (record(3, Phase.RUNNING), record(2), record(1, box="s0"), record(0, box="s0"))
    )
    extra, old = surplus(state)
    assert [c.id for c in extra] == ["c1", "c0"]
    assert old == ["s0"]
    waiting = PodState("u", "p", "d", boxes, (record(2), record(1), record(0)))
    assert [c.id for c in surplus(waiting)[0]] == ["c0"]
