"""Which of a CronJob's ended Jobs are kept (pure)."""

from apimachinery.objects.conditions import is_true
from apimachinery.objects.metadata import Obj, metadata, name


def ending_of(job: Obj) -> str:
    """Return `Complete` or `Failed`; empty while a Job runs."""
    status = job.get("status")
    return next((kind for kind in ("Complete", "Failed") if is_true(status, kind)), "")


def surplus(spec: Obj, jobs: list[Obj]) -> list[Obj]:
    """Return the oldest ended Jobs beyond the limits."""
    gone: list[Obj] = []
    for kind, limit in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        most = spec.get(limit)
        if most is None:
            continue
        ended = sorted((job for job in jobs if ending_of(job) == kind), key=_age)
        gone += ended[: max(0, len(ended) - most)]
    return gone


def _age(job: Obj) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or metadata(job).get("creationTimestamp") or "", name(job)
