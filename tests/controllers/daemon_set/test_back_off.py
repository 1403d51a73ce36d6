from controllers.daemon_set.back_off import FailedPodsBackOff

ONE = {"metadata": {"uid": "u", "generation": 1}}


def test_failures_on_a_node_wait_longer_each_time():
    waits = FailedPodsBackOff()
    assert waits.wait(ONE, "n1", 100.0) == 0
    assert waits.wait(ONE, "n1", 100.25) == 0.75
    assert waits.wait(ONE, "n2", 100.25) == 0
    assert waits.wait(ONE, "n1", 101.0) == 0
    assert waits.wait(ONE, "n1", 101.0) == 2


def test_the_wait_is_at_most_a_quarter_of_an_hour():
    waits, now = FailedPodsBackOff(), 0.0
    for _ in range(30):
        assert waits.wait(ONE, "n1", now) == 0
        now += waits.wait(ONE, "n1", now)
    assert waits.wait(ONE, "n1", now) == 0
    assert waits.wait(ONE, "n1", now) == 900


def test_a_new_generation_and_a_long_peace_begin_afresh():
    waits = FailedPodsBackOff()
    for now in (0.0, 1.0, 3.0):
        assert waits.wait(ONE, "n1", now) == 0
    assert waits.wait({"metadata": {"uid": "u", "generation": 2}}, "n1", 3.0) == 0
    assert waits.wait({"metadata": {"uid": "u", "generation": 2}}, "n1", 4000.0) == 0
    assert waits.wait({"metadata": {"uid": "u", "generation": 2}}, "n1", 4000.0) == 1
    waits.forget("u")
    assert waits.wait({"metadata": {"uid": "u", "generation": 2}}, "n1", 4000.0) == 0
