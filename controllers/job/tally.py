"""Counting a Job's pods: each one once, however often the controller is ended and begun again (KEP-2307; pure).

A pod carries a finalizer until it is counted. Its UID is first written to `status.uncountedTerminatedPods`, then the
finalizer goes, then the counter moves. Whatever is missing of these steps is done at the next look.
"""

from dataclasses import dataclass, field

from apimachinery.objects.metadata import Obj, is_deleting, uid
from controllers.job import indexes
from controllers.job.outcome import Counts
from controllers.job.pod_failure_policy import judge
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
    new_failure: bool = False
    policy_message: str = ""

    def counts(self, active: list[Obj], *, indexed: bool) -> Counts:
        """Return the numbers that decide how the Job goes on."""
        return Counts(
            active=len(active),
            succeeded=len(self.completed) if indexed else self.succeeded + len(self.uncounted_succeeded),
            failed=self.failed + len(self.uncounted_failed),
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


def take(job: Obj, pods: list[Obj], *, ending: bool) -> Tally:
    """Count a Job's pods.

    Args:
        job: The Job.
        pods: All its pods.
        ending: Whether the Job ends or is deleted, so that pods which are being deleted count as failures at once.
    """
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
    tracked = {uid(pod) for pod in pods if is_tracked(pod)}
    tally.settle({*tally.uncounted_succeeded, *tally.uncounted_failed} - tracked)
    known = {*tally.uncounted_succeeded, *tally.uncounted_failed}
    patient = only_failed(job) and not ending
    for pod in pods:
        if not is_tracked(pod):
            continue
        if uid(pod) in known:
            tally.to_release.append(pod)
        elif phase(pod) == "Succeeded":
            _succeeded(tally, pod, spec, completions)
        elif is_failed(pod, only_failed=patient) or (ending and is_deleting(pod)):
            _failed(tally, pod, spec)
    return tally


def _succeeded(tally: Tally, pod: Obj, spec: Obj, completions: int) -> None:
    tally.to_release.append(pod)
    if spec.get("completionMode") != "Indexed":
        tally.uncounted_succeeded.append(uid(pod))
        return
    index = completion_index(pod)
    if 0 <= index < completions and index not in tally.completed:
        tally.completed.add(index)
        tally.succeeded = len(tally.completed)


def _failed(tally: Tally, pod: Obj, spec: Obj) -> None:
    tally.to_release.append(pod)
    verdict = judge(spec.get("podFailurePolicy") if phase(pod) == "Failed" else None, pod)
    limit = spec.get("backoffLimitPerIndex")
    index = completion_index(pod)
    spent = verdict.action == "FailIndex" or (limit is not None and index_failures(pod) >= limit)
    if limit is not None and index >= 0 and verdict.action != "Ignore" and spent:
        tally.failed_indexes.add(index)
    if verdict.action == "FailJob":
        tally.policy_message = tally.policy_message or verdict.message
    if verdict.action != "Ignore":
        tally.uncounted_failed.append(uid(pod))
        tally.new_failure = True
