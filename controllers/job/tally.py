"""Counting a Job's pods: each one once, however often the controller is ended and begun again (KEP-2307; pure).

A pod carries a finalizer until it is counted. Its UID is first written to `status.uncountedTerminatedPods`, then the
finalizer goes, then the counter moves. Whatever is missing of these steps is done at the next look.
"""

from dataclasses import dataclass, field

from apimachinery.objects.metadata import Obj, is_deleting, uid
from apimachinery.objects.pods import is_active
from controllers.job import indexes
from controllers.job.index_failures import last_failures
from controllers.job.outcome import Counts, standing
from controllers.job.pod_failure_policy import Verdict, judge
from controllers.job.pods import completion_index, index_failures, is_failed, is_tracked, phase, restarts


@dataclass(slots=True)
class Tally:
    """What was counted, and what is to be written before finalizers go.

    Attributes:
        succeeded: The counter.
        failed: The counter.
        uncounted_succeeded: UIDs of pods that succeeded and still have their finalizer.
        uncounted_failed: UIDs of pods that failed, likewise.
        completed: Indexes that succeeded.
        failed_indexes: Indexes that failed for good.
        to_release: Pods whose finalizer may go once this is written.
        retried: The last failed pod of each index that is to be tried again. It is counted when its successor is there.
        waiting_failures: How many of those count as failures.
        new_failure: Whether a failure was found that was not known.
        policy_message: Why a rule fails the Job.
    """

    succeeded: int
    failed: int
    uncounted_succeeded: list[str]
    uncounted_failed: list[str]
    completed: set[int]
    failed_indexes: set[int]
    to_release: list[Obj] = field(default_factory=list)
    retried: dict[int, Obj] = field(default_factory=dict)
    waiting_failures: int = 0
    new_failure: bool = False
    policy_message: str = ""

    def counts(self, active: list[Obj], *, indexed: bool) -> Counts:
        """Return the numbers that decide how the Job goes on."""
        return Counts(
            active=len(active),
            succeeded=len(self.completed) if indexed else self.succeeded + len(self.uncounted_succeeded),
            failed=self.failed + len(self.uncounted_failed) + self.waiting_failures,
            restarts=sum(restarts(pod) for pod in active),
            new_failure=self.new_failure,
            completed=frozenset(self.completed),
            failed_indexes=frozenset(self.failed_indexes),
            policy_message=self.policy_message,
        )

    def settle(self, released: set[str]) -> None:
        """Move the counters of pods whose finalizer has gone."""
        self.succeeded += sum(one in released for one in self.uncounted_succeeded)
        self.failed += sum(one in released for one in self.uncounted_failed)
        self.uncounted_succeeded = [one for one in self.uncounted_succeeded if one not in released]
        self.uncounted_failed = [one for one in self.uncounted_failed if one not in released]


def only_failed(job: Obj) -> bool:
    """Tell whether pods that are being deleted are still waited for."""
    return (job.get("spec") or {}).get("podReplacementPolicy") == "Failed"


def take(job: Obj, pods: list[Obj]) -> Tally:
    """Count a Job's pods."""
    status, spec = job.get("status") or {}, job["spec"]
    uncounted = status.get("uncountedTerminatedPods") or {}
    completions = spec.get("completions") or 0
    tally = Tally(
        succeeded=status.get("succeeded") or 0,
        failed=status.get("failed") or 0,
        uncounted_succeeded=list(uncounted.get("succeeded") or ()),
        uncounted_failed=list(uncounted.get("failed") or ()),
        completed=indexes.parse(status.get("completedIndexes") or "", completions),
        failed_indexes=indexes.parse(status.get("failedIndexes") or "", completions),
    )
    tracked = [pod for pod in pods if is_tracked(pod)]
    tally.settle({*tally.uncounted_succeeded, *tally.uncounted_failed} - {uid(pod) for pod in tracked})
    known = {*tally.uncounted_succeeded, *tally.uncounted_failed}
    tally.to_release = [pod for pod in tracked if uid(pod) in known]
    fresh = [pod for pod in tracked if uid(pod) not in known]
    for pod in fresh:
        if phase(pod) == "Succeeded":
            _succeeded(tally, pod, spec, completions)
    if spec.get("completionMode") == "Indexed":
        # Fewer than before, where completions were taken away.
        tally.succeeded = len(tally.completed)
    _take_failed(tally, job, fresh, {completion_index(pod) for pod in pods if is_active(pod)})
    return tally


def _succeeded(tally: Tally, pod: Obj, spec: Obj, completions: int) -> None:
    tally.to_release.append(pod)
    if spec.get("completionMode") != "Indexed":
        tally.uncounted_succeeded.append(uid(pod))
    elif 0 <= completion_index(pod) < completions:
        tally.completed.add(completion_index(pod))


def _take_failed(tally: Tally, job: Obj, fresh: list[Obj], at_work: set[int]) -> None:
    spec, end = job["spec"], standing(job)
    ending = end is not None or is_deleting(job)
    # Once the Job has succeeded, the pods that are taken away have not failed.
    patient = (only_failed(job) and (not ending)) or (end is not None and end.final == "Complete")
    failed = [pod for pod in fresh if phase(pod) != "Succeeded" and is_failed(pod, only_failed=patient)]
    if ending:
        leaving = [pod for pod in fresh if is_deleting(pod) and phase(pod) not in ("Succeeded", "Failed")]
        tally.to_release += [pod for pod in leaving if pod not in failed]
    per_index = spec.get("backoffLimitPerIndex")
    if per_index is not None:
        for pod in failed:
            if _index_has_failed(spec, pod, per_index):
                tally.failed_indexes.add(completion_index(pod))
        if not ending:
            tally.retried = last_failures(failed, tally.completed | tally.failed_indexes | at_work)
    kept = {uid(pod) for pod in tally.retried.values()}
    for pod in failed:
        verdict = _judge(spec, pod)
        if verdict.action == "FailJob":
            tally.policy_message = tally.policy_message or verdict.message
        counts = verdict.action != "Ignore" and _has_valid_index(spec, pod)
        tally.new_failure = tally.new_failure or counts
        if uid(pod) in kept:
            tally.waiting_failures += counts
            continue
        tally.to_release.append(pod)
        if counts:
            tally.uncounted_failed.append(uid(pod))


def _judge(spec: Obj, pod: Obj) -> Verdict:
    return judge(spec.get("podFailurePolicy") if phase(pod) == "Failed" else None, pod)


def _has_valid_index(spec: Obj, pod: Obj) -> bool:
    return spec.get("completionMode") != "Indexed" or 0 <= completion_index(pod) < (spec.get("completions") or 0)


def _index_has_failed(spec: Obj, pod: Obj, limit: int) -> bool:
    action = _judge(spec, pod).action
    spent = action == "FailIndex" or (action != "Ignore" and index_failures(pod) >= limit)
    return spent and _has_valid_index(spec, pod)
