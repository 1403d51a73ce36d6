"""How many pods a Job wants, and which indexes come next (pure)."""

from apimachinery.objects.metadata import Obj, uid
from apimachinery.objects.pods import is_ready
from apimachinery.objects.times import parse_time
from controllers.job.outcome import Counts
from controllers.job.pods import FAILURES, FINALIZER, IGNORED, INDEX, completion_index, phase
from controllers.pod_control import LONGEST_PREFIX

_ENVIRONMENT = "JOB_COMPLETION_INDEX"


def wanted(spec: Obj, counts: Counts) -> int:
    """Return how many pods are to be active."""
    parallelism, completions = int(spec.get("parallelism", 1)), spec.get("completions")
    if completions is None:
        # A work queue: once one pod has succeeded, no new ones are made.
        return counts.active if counts.succeeded else parallelism
    left = int(completions) - counts.succeeded
    if spec.get("backoffLimitPerIndex") is not None:
        left = int(completions) - len(counts.completed | counts.failed_indexes)
    return max(0, min(left, parallelism))


def next_indexes(spec: Obj, counts: Counts, taken: set[int], count: int) -> list[int]:
    """Return the lowest indexes that nobody works on.

    Args:
        spec: The Job's.
        counts: What has ended.
        taken: Indexes of pods that are active, or that are waited for.
        count: How many are asked for.
    """
    over = counts.completed | counts.failed_indexes | taken
    free = (index for index in range(int(spec.get("completions") or 0)) if index not in over)
    return [index for index, _ in zip(free, range(count), strict=False)]


def superfluous(spec: Obj, active: list[Obj], count: int) -> list[Obj]:
    """Return the pods to take away: those whose index is repeated or too high, then the ones that got least far.

    Args:
        spec: The Job's.
        active: Its active pods.
        count: How many are to go at least.
    """
    order = {"Pending": 0, "Unknown": 1, "Running": 2}
    ranked = sorted(
        active, key=lambda pod: (order.get(phase(pod), 2), is_ready(pod), -completion_index(pod), _newest_first(pod))
    )
    gone: list[Obj] = []
    if spec.get("completionMode") == "Indexed":
        seen: set[int] = set()
        for pod in reversed(ranked):
            index = completion_index(pod)
            if index in seen or not 0 <= index < (spec.get("completions") or 0):
                gone.append(pod)
            seen.add(index)
    there = {uid(pod) for pod in gone}
    rest = [pod for pod in ranked if uid(pod) not in there]
    return [*gone, *rest[: max(0, count - len(gone))]]


def _newest_first(pod: Obj) -> float:
    return -parse_time(pod["metadata"]["creationTimestamp"]).timestamp()


def prefix(job_name: str, index: int | None) -> str:
    """Return what the generated names of pods begin with; a long Job name gives way to the index."""
    end = "-" if index is None else f"-{index}-"
    return f"{job_name[: LONGEST_PREFIX - len(end)]}{end}"


def template(job: Obj, index: int | None = None, failures: tuple[int, int] = (0, 0)) -> Obj:
    """Return the template of a pod: the Job's, with the finalizer, and an index's label, host name and variable."""
    given: Obj = job["spec"].get("template") or {}
    meta, spec = given.get("metadata") or {}, given.get("spec") or {}
    finalizers = [*(meta.get("finalizers") or ()), FINALIZER]
    if index is None:
        return {**given, "metadata": {**meta, "finalizers": finalizers}}
    marks = {INDEX: str(index)}
    annotations = {**(meta.get("annotations") or {}), **marks}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        annotations[FAILURES] = str(failures[0])
        if failures[1]:
            annotations[IGNORED] = str(failures[1])
    told = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}

    def with_variable(containers: list[Obj]) -> list[Obj]:
        return [_with(container, {"name": _ENVIRONMENT, "valueFrom": told}) for container in containers]

    spec = {**spec, "hostname": f"{job['metadata']['name']}-{index}"}
    for key in ("initContainers", "containers"):
        if spec.get(key):
            spec[key] = with_variable(spec[key])
    meta = {
        **meta,
        "finalizers": finalizers,
        "labels": {**(meta.get("labels") or {}), **marks},
        "annotations": annotations,
    }
    return {**given, "metadata": meta, "spec": spec}


def _with(container: Obj, variable: Obj) -> Obj:
    there = container.get("env") or []
    if any(row.get("name") == variable["name"] for row in there):
        return container
    return {**container, "env": [*there, variable]}
