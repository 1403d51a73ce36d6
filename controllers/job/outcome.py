"""Whether a Job has reached its end, and which (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field

from apimachinery.objects.conditions import get_condition, is_true
from apimachinery.objects.metadata import Obj
from controllers.job import indexes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Job ends.

    Attributes:
        interim: The condition that stands while its last pods end: `FailureTarget` or `SuccessCriteriaMet`.
        reason: As in the condition.
        message: As in the condition.
    """

    interim: str
    reason: str
    message: str

    @property
    def final(self) -> str:
        """The condition of the end itself."""
        return "Failed" if self.interim == "FailureTarget" else "Complete"


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of a Job's pods.

    Attributes:
        active: Pods that run or will.
        succeeded: Pods that succeeded, counted for good or not.
        failed: Pods that failed, likewise.
        restarts: Restarts of containers of active pods.
        new_failure: Whether a failure was found that no status tells of yet.
        completed: Indexes that succeeded.
        failed_indexes: Indexes that failed for good.
        policy_message: Why a rule of the pod failure policy fails the Job.
    """

    active: int = 0
    succeeded: int = 0
    failed: int = 0
    restarts: int = 0
    new_failure: bool = False
    completed: frozenset[int] = field(default_factory=frozenset)
    failed_indexes: frozenset[int] = field(default_factory=frozenset)
    policy_message: str = ""


def is_finished(job: Obj) -> bool:
    """Tell whether a Job has ended for good."""
    status = job.get("status")
    return is_true(status, "Complete") or is_true(status, "Failed")


def standing(job: Obj) -> Outcome | None:
    """Return the outcome that the status tells of already."""
    for interim in ("FailureTarget", "SuccessCriteriaMet"):
        condition = get_condition(job.get("status"), interim)
        if condition is not None and condition.get("status") == "True":
            return Outcome(interim, condition.get("reason", ""), condition.get("message", ""))
    return None


def decide(job: Obj, counts: Counts, seconds_active: float | None) -> Outcome | None:
    """Return how the Job ends, or None while it goes on.

    Args:
        job: The Job.
        counts: Its pods.
        seconds_active: Since `status.startTime`; None while it is suspended or has not begun.
    """
    return standing(job) or _failure(job["spec"], counts, seconds_active) or _success(job["spec"], counts)


def _failure(spec: Obj, counts: Counts, seconds_active: float | None) -> Outcome | None:
    if counts.policy_message:
        return Outcome("FailureTarget", "PodFailurePolicy", counts.policy_message)
    limit = spec.get("backoffLimit", 6)
    on_failure = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") == "OnFailure"
    restarted_too_often = on_failure and counts.restarts > 0 and counts.restarts >= max(limit, 1)
    if (counts.new_failure and counts.failed > limit) or restarted_too_often:
        return Outcome("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and seconds_active is not None and seconds_active >= deadline:
        return Outcome("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    if spec.get("backoffLimitPerIndex") is None:
        return None
    most = spec.get("maxFailedIndexes")
    if most is not None and len(counts.failed_indexes) > most:
        told = "Job has exceeded the specified maximal number of failed indexes"
        return Outcome("FailureTarget", "MaxFailedIndexesExceeded", told)
    if counts.failed_indexes and len(counts.failed_indexes | counts.completed) >= spec.get("completions", 0):
        return Outcome("FailureTarget", "FailedIndexes", "Job has failed indexes")
    return None


def _success(spec: Obj, counts: Counts) -> Outcome | None:
    completions = spec.get("completions")
    for position, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        wanted = counts.completed
        if rule.get("succeededIndexes") is not None:
            listed = indexes.parse(rule["succeededIndexes"], completions or 0)
            wanted = counts.completed & listed
            least = rule.get("succeededCount", len(listed))
        else:
            least = rule.get("succeededCount", completions or 0)
        if len(wanted) >= least:
            return Outcome("SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {position}")
    # Pods too many are taken away first: they have not failed.
    if counts.active == 0 and counts.succeeded >= (1 if completions is None else completions):
        return Outcome("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
    return None
