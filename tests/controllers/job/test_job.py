"""The decisions about Jobs: counting, the end, indexes, failures, back-off."""

from typing import Any

import pytest

from controllers.job import back_off, index_failures, indexes, plan
from controllers.job.outcome import Counts, decide
from controllers.job.pod_failure_policy import judge
from controllers.job.pods import FAILURES, FINALIZER, IGNORED, INDEX, finished_at
from controllers.job.tally import take

Obj = dict[str, Any]


def _pod(name: str, phase: str = "Running", *, index: int | None = None, **meta: Any) -> Obj:
    annotations = dict(meta.pop("annotations", {}))
    if index is not None:
        annotations[INDEX] = str(index)
    kept = {"name": name, "namespace": "n", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "metadata": {**kept, "finalizers": [FINALIZER], "annotations": annotations, **meta},
        "status": {"phase": phase},
    }


def _job(status: Obj | None = None, **spec: Any) -> Obj:
    return {"metadata": {"name": "j"}, "spec": {"parallelism": 1, "backoffLimit": 6, **spec}, "status": status or {}}


@pytest.mark.parametrize(
    ("text", "found"),
    [("", set()), ("1,3-5,7", {1, 3, 4, 5, 7}), ("0-100", set(range(10))), ("x,2", {2}), ("9,12", {9})],
)
def test_indexes_are_parsed_below_the_completions(text: str, found: set[int]) -> None:
    assert indexes.parse(text, 10) == found


@pytest.mark.parametrize(("found", "text"), [((), ""), ((7, 1, 3, 4, 5), "1,3-5,7"), ((1, 2), "1,2"), ((0,), "0")])
def test_indexes_are_compressed(found: tuple[int, ...], text: str) -> None:
    assert indexes.compress(found) == text


def test_each_pod_is_counted_once_over_all_steps() -> None:
    job = _job(completions=3)
    pods = [_pod("a", "Succeeded"), _pod("b", "Failed"), _pod("c")]
    first = take(job, pods)
    assert (first.uncounted_succeeded, first.uncounted_failed, first.new_failure) == (["a"], ["b"], True)
    status = {"uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["b"]}}
    again = take(_job(status, completions=3), pods)
    assert (again.uncounted_succeeded, again.new_failure) == (["a"], False)
    assert [pod["metadata"]["name"] for pod in again.to_release] == ["a", "b"]
    for pod in pods[:2]:
        pod["metadata"]["finalizers"] = []
    counted = take(_job(status, completions=3), pods)
    assert (counted.succeeded, counted.failed, counted.uncounted_succeeded, counted.to_release) == (1, 1, [], [])


def _ending(kind: str) -> Obj:
    return {"conditions": [{"type": kind, "status": "True", "reason": "r", "message": "m"}]}


def test_a_pod_that_is_deleted_counts_as_failed_unless_the_job_waits_for_its_end() -> None:
    gone = _pod("a", deletionTimestamp="2026-01-01T00:00:01Z")
    assert take(_job(), [gone]).uncounted_failed == ["a"]
    assert take(_job(podReplacementPolicy="Failed"), [gone]).uncounted_failed == []
    failed = take(_job(_ending("FailureTarget"), podReplacementPolicy="Failed"), [gone])
    assert (failed.uncounted_failed, failed.to_release) == (["a"], [gone])


def test_pods_that_a_successful_job_takes_away_have_not_failed() -> None:
    gone = _pod("a", deletionTimestamp="2026-01-01T00:00:01Z")
    tally = take(_job(_ending("SuccessCriteriaMet")), [gone, _pod("b", "Failed")])
    assert (tally.uncounted_failed, [pod["metadata"]["name"] for pod in tally.to_release]) == (["b"], ["a", "b"])


def test_an_index_succeeds_once() -> None:
    job = _job(completions=3, completionMode="Indexed")
    tally = take(job, [_pod("a", "Succeeded", index=1), _pod("b", "Succeeded", index=1)])
    assert (tally.completed, tally.succeeded, len(tally.to_release)) == ({1}, 1, 2)
    fewer = take(_job({"completedIndexes": "0-2", "succeeded": 3}, completions=2, completionMode="Indexed"), [])
    assert (fewer.completed, fewer.succeeded) == ({0, 1}, 2)


def test_an_index_fails_for_good_after_its_own_limit() -> None:
    job = _job(completions=2, completionMode="Indexed", backoffLimitPerIndex=1)
    first = take(job, [_pod("a", "Failed", index=0, annotations={FAILURES: "0"})])
    assert first.failed_indexes == set()
    second = take(job, [_pod("b", "Failed", index=0, annotations={FAILURES: "1"})])
    assert (second.failed_indexes, second.retried, second.uncounted_failed) == ({0}, {}, ["b"])


def test_a_failed_pod_stays_until_its_index_has_another() -> None:
    job = _job(completions=2, completionMode="Indexed", backoffLimitPerIndex=2)
    failed = _pod("a", "Failed", index=0, annotations={FAILURES: "0"})
    alone = take(job, [failed, _pod("b", "Failed", index=1, annotations={FAILURES: "2"})])
    assert (alone.retried, alone.uncounted_failed, alone.counts([], indexed=True).failed) == ({0: failed}, ["b"], 2)
    followed = take(job, [failed, _pod("c", index=0, annotations={FAILURES: "1"})])
    assert (followed.retried, followed.uncounted_failed) == ({}, ["a"])
    ended = take({**job, "status": _ending("FailureTarget")}, [failed])
    assert (ended.retried, ended.uncounted_failed) == ({}, ["a"])


def test_each_index_counts_its_failures_and_waits_by_itself() -> None:
    spec = {"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}}
    first = _pod("a", "Failed", index=0, annotations={FAILURES: "1", IGNORED: "1"})
    assert index_failures.counts_after(spec, None) == (0, 0)
    assert index_failures.counts_after(spec, first) == (2, 1)
    evicted = {**first, "status": {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}}
    assert index_failures.counts_after(spec, evicted) == (1, 2)
    start = 1767225600.0
    assert index_failures.remaining(first, start + 15) == 25.0
    assert index_failures.due([0, 1], {0: first}, start) == ([1], 0.0)
    assert index_failures.due([0], {0: first}, start) == ([], 40.0)
    later = _pod("b", "Failed", index=0, annotations={FAILURES: "3"})
    assert index_failures.last_failures([first, later, _pod("c", "Failed", index=1)], {1}) == {0: later}


def _ended(name: str, code: int) -> Obj:
    pod = _pod(name, "Failed")
    pod["status"]["containerStatuses"] = [{"name": "main", "state": {"terminated": {"exitCode": code}}}]
    return pod


def test_the_failure_policy_takes_the_first_rule_that_fits() -> None:
    policy = {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42], "containerName": "main"}},
            {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [1]}},
        ]
    }
    told = "Container main for pod n/a failed with exit code 42 matching FailJob rule at index 1"
    assert (judge(policy, _ended("a", 42)).action, judge(policy, _ended("a", 42)).message) == ("FailJob", told)
    assert judge(policy, _ended("a", 7)).action == "Count"
    evicted = _ended("a", 42)
    evicted["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    assert judge(policy, evicted).action == "Ignore"
    assert judge(None, evicted).action == "Count"


@pytest.mark.parametrize(
    ("spec", "counts", "seconds", "reason"),
    [
        ({"completions": 2}, Counts(succeeded=1, active=1), 1.0, None),
        ({"completions": 2}, Counts(succeeded=2), 1.0, "CompletionsReached"),
        ({"completions": 2}, Counts(succeeded=2, active=1), 1.0, None),
        ({"completions": 0}, Counts(), 1.0, "CompletionsReached"),
        ({}, Counts(succeeded=1, active=1), 1.0, None),
        ({}, Counts(succeeded=1), 1.0, "CompletionsReached"),
        ({"backoffLimit": 1}, Counts(failed=2, new_failure=True), 1.0, "BackoffLimitExceeded"),
        ({"backoffLimit": 1}, Counts(failed=1, new_failure=True), 1.0, None),
        (
            {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure"}}},
            Counts(active=1, restarts=2),
            1.0,
            "BackoffLimitExceeded",
        ),
        ({"activeDeadlineSeconds": 5}, Counts(active=1), 5.0, "DeadlineExceeded"),
        ({"activeDeadlineSeconds": 5}, Counts(active=1), None, None),
        ({"completions": 1}, Counts(policy_message="m"), 1.0, "PodFailurePolicy"),
        (
            {"completions": 3, "backoffLimitPerIndex": 0},
            Counts(completed=frozenset({0, 2}), succeeded=2, failed_indexes=frozenset({1})),
            1.0,
            "FailedIndexes",
        ),
        (
            {"completions": 3, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0},
            Counts(failed_indexes=frozenset({1})),
            1.0,
            "MaxFailedIndexesExceeded",
        ),
        (
            {"completions": 5, "successPolicy": {"rules": [{"succeededIndexes": "0,2-3", "succeededCount": 2}]}},
            Counts(completed=frozenset({0, 3}), succeeded=2),
            1.0,
            "SuccessPolicy",
        ),
    ],
)
def test_a_job_ends_when_and_as_upstream_says(
    spec: Obj, counts: Counts, seconds: float | None, reason: str | None
) -> None:
    outcome = decide(_job(**spec), counts, seconds)
    assert (outcome.reason if outcome else None) == reason


def test_an_end_that_was_told_stands() -> None:
    told = {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "m"}]}
    outcome = decide(_job(told, completions=1), Counts(succeeded=1), 1.0)
    assert outcome is not None
    assert (outcome.final, outcome.reason) == ("Failed", "DeadlineExceeded")


@pytest.mark.parametrize(
    ("spec", "counts", "count"),
    [
        ({"parallelism": 2, "completions": 5}, Counts(succeeded=4), 1),
        ({"parallelism": 2, "completions": 5}, Counts(), 2),
        ({"parallelism": 3}, Counts(), 3),
        ({"parallelism": 3}, Counts(succeeded=1, active=2), 2),
        (
            {"parallelism": 9, "completions": 5, "backoffLimitPerIndex": 1},
            Counts(completed=frozenset({0}), failed_indexes=frozenset({3})),
            3,
        ),
    ],
)
def test_the_wanted_number_of_pods(spec: Obj, counts: Counts, count: int) -> None:
    assert plan.wanted(spec, counts) == count


def test_the_next_indexes_are_the_lowest_free_ones() -> None:
    counts = Counts(completed=frozenset({0}), failed_indexes=frozenset({2}))
    assert plan.next_indexes({"completions": 6}, counts, {3}, 2) == [1, 4]


@pytest.mark.parametrize(("completions", "count", "gone"), [(3, 2, ["d", "c"]), (3, 0, ["d"]), (1, 0, ["b", "c", "d"])])
def test_repeated_indexes_go_first_then_high_ones(completions: int, count: int, gone: list[str]) -> None:
    pods = [_pod("a", index=0), _pod("b", index=1), _pod("c", index=2), _pod("d", "Pending", index=0)]
    spec = {"completions": completions, "completionMode": "Indexed"}
    assert [pod["metadata"]["name"] for pod in plan.superfluous(spec, pods, count)] == gone


def test_a_long_name_gives_way_to_the_index() -> None:
    assert plan.prefix("j", None) == "j-"
    assert plan.prefix("j" * 70, 12) == "j" * 54 + "-12-"


def test_a_pod_of_an_index_knows_it() -> None:
    job = _job(completions=2, completionMode="Indexed", template={"spec": {"containers": [{"name": "c"}]}})
    made = plan.template(job, 1)
    assert made["metadata"]["labels"] == {INDEX: "1"}
    assert made["metadata"]["annotations"] == {INDEX: "1"}
    assert made["spec"]["hostname"] == "j-1"
    assert made["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    assert made["metadata"]["finalizers"] == [FINALIZER]


def test_the_back_off_doubles_with_failures_in_a_row_and_is_forgotten_after_a_success() -> None:
    def ended(name: str, phase: str, second: int) -> Obj:
        pod = _pod(name, phase)
        end = {"terminated": {"finishedAt": f"2026-01-01T00:00:{second:02}Z", "exitCode": 0}}
        pod["status"]["containerStatuses"] = [{"name": "c", "state": end}]
        return pod

    now = 1767225600.0 + 20
    failed = [ended("a", "Failed", 1), ended("b", "Failed", 15)]
    assert back_off.remaining(failed, now, only_failed=False) == 15.0
    assert back_off.remaining([*failed, ended("c", "Succeeded", 16)], now, only_failed=False) == 0.0
    assert [back_off.delay(count) for count in (0, 1, 2, 7, 50)] == [0.0, 10.0, 20.0, 600.0, 600.0]


def test_when_a_pod_ended() -> None:
    second = 1767225600.0
    gone = _pod("a", deletionTimestamp="2026-01-01T00:00:40Z", deletionGracePeriodSeconds=30)
    assert finished_at(gone) == second + 10
    gone["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:12Z"}]
    assert finished_at(gone) == second + 12
    running = {"name": "c", "state": {"running": {}}}
    gone["status"]["containerStatuses"] = [_ended("a", 1)["status"]["containerStatuses"][0], running]
    assert finished_at(gone) == second + 12
    assert finished_at(_pod("b")) == second
