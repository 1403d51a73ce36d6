from kubelet.prober.probe import Verdict
from kubelet.prober.worker import Row, Thresholds, run

S, F, U = Verdict.SUCCESS, Verdict.FAILURE, Verdict.UNKNOWN


def test_thresholds_need_a_row_of_equal_outcomes():
    row = Row(Thresholds(1, 0, success=2, failure=3))
    assert [row.add(v) for v in (F, F, S, F, F, F, S, S, U, S)] == [
        None,
        None,
        None,
        None,
        None,
        False,
        None,
        True,
        None,
        True,
    ]


async def test_a_probe_runs_at_once_and_ends_when_told():
    outcomes = iter([F, S])
    seen = []

    async def once():
        return next(outcomes)

    def publish(result):
        seen.append(result)
        return False

    await run({"periodSeconds": 0.01, "failureThreshold": 2}, 0, once, publish)
    assert seen == [True]
