from scheduler.queue import SchedulingQueue
from tests.scheduler.builders import pod


def queue():
    return SchedulingQueue(lambda p: bool(p.spec.get("schedulingGates")))


def test_priority_first_then_age():
    q = queue()
    for index, p in enumerate((pod("a"), pod("b"), pod("c", priority=5))):
        q.add(p, float(index))
    assert [q.pop(10.0).pod.name for _ in range(3)] == ["c", "a", "b"]
    assert q.pop(10.0) is None


def test_a_refused_pod_waits_for_an_event_that_helps():
    q = queue()
    q.add(pod("a"), 0.0)
    popped = q.pop(0.0)
    q.give_back(popped, frozenset({"NodeResourcesFit"}), 0.0)
    assert q.pop(1.0) is None
    assert not q.wake(lambda _, plugins: "NodePorts" in plugins, 1.0)
    assert q.wake(lambda _, plugins: "NodeResourcesFit" in plugins, 1.5)
    assert q.pop(1.5) is popped


def test_an_error_backs_off_and_doubles():
    q = queue()
    q.add(pod("a"), 0.0)
    popped = q.pop(0.0)
    q.give_back(popped, frozenset(), 0.0, failed_with_error=True)
    assert q.next_wakeup() == 1.0
    assert q.pop(0.9) is None
    assert q.pop(1.0) is popped
    q.give_back(popped, frozenset(), 1.0, failed_with_error=True)
    assert q.next_wakeup() == 3.0
    assert q.backoff_of(10) == 10.0


def test_a_woken_pod_need_not_sit_out_its_backoff_when_nothing_else_is_there():
    q = queue()
    q.add(pod("a"), 0.0)
    popped = q.pop(0.0)
    q.give_back(popped, frozenset({"X"}), 0.0)
    q.wake(lambda *_: True, 0.1)
    q.add(pod("b"), 0.2)
    assert q.pop(0.2).pod.name == "b"
    assert q.pop(0.2) is popped
    assert q.pop(5.0) is None


def test_gates_hold_until_lifted():
    q = queue()
    p = pod("a", schedulingGates=[{"name": "g"}])
    q.add(p, 0.0)
    assert q.pop(0.0) is None
    del p.obj["spec"]["schedulingGates"]
    q.update(p, 1.0)
    assert q.pop(1.0).pod is p


def test_forgotten_after_five_minutes_no_more():
    q = queue()
    q.add(pod("a"), 0.0)
    popped = q.pop(0.0)
    q.give_back(popped, frozenset({"X"}), 0.0)
    assert q.next_wakeup() == 300.0
    assert q.pop(300.0) is popped


def test_deleted_pods_never_come_back():
    q = queue()
    p = pod("a")
    q.add(p, 0.0)
    popped = q.pop(0.0)
    q.delete(p.uid)
    q.give_back(popped, frozenset(), 0.0, failed_with_error=True)
    assert q.pop(100.0) is None
    assert q.next_wakeup() is None
