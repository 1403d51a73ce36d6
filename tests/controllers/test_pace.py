from controllers.pace import Pace


def test_the_first_write_is_at_once_and_the_next_after_the_period():
    pace = Pace(0.5)
    assert pace.wait("a", 10.0) == 0
    pace.wrote("a", 10.0)
    assert pace.wait("a", 10.25) == 0.25
    assert pace.wait("b", 10.25) == 0
    assert pace.wait("a", 10.5) == 0
    pace.wrote("a", 11.0)
    pace.forget("a")
    assert pace.wait("a", 11.0) == 0
