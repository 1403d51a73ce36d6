from kubelet.backoff import Backoff, go_duration


def test_ten_seconds_doubling_to_five_minutes():
    backoff = Backoff()
    delays = [backoff.advance("k", now) for now in range(0, 80, 10)]
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]


def test_remaining_counts_from_the_end_of_the_container():
    backoff = Backoff()
    assert backoff.remaining("k", 0, 0) == 0
    backoff.advance("k", 100)
    assert backoff.remaining("k", 103, 105) == 8
    assert backoff.remaining("k", 103, 114) == 0


def test_a_quiet_key_starts_over():
    backoff = Backoff()
    backoff.advance("k", 0)
    assert backoff.advance("k", 601) == 10
    backoff.collect(2000)
    assert backoff.delay("k") == 0


def test_durations_read_as_in_go():
    assert [go_duration(s) for s in (10, 80, 160, 300, 3725)] == ["10s", "1m20s", "2m40s", "5m0s", "1h2m5s"]
