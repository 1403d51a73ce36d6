"""How many pods a Job wants, and which indexes come next (pure)."""

from apimachinery.objects.metadata import Obj, is_deleting
from apimachinery.objects.times import parse_time
from controllers.job.outcome import Counts
from controllers.job.pod_failure_policy import judge
from controllers.job.pods import FAILURES, FINALIZER, IGNORED, INDEX, completion_index, index_failures, phase

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


def superfluous(active: list[Obj], count: int, *, indexed: bool) -> list[Obj]:
    """Return the pods to take away: repeated and high indexes first, then those that got least far."""
    order = {"Pending": 0, "Unknown": 1, "Running": 2}
    ranked = sorted(active, key=lambda pod: (order.get(phase(pod), 2), _newest_first(pod)))
    if indexed:
        seen: set[int] = set()
        repeated = []
        for pod in reversed(ranked):
            index = completion_index(pod)
            if index in seen or index < 0:
                repeated.append(pod)
            seen.add(index)
        rest = sorted((pod for pod in ranked if pod not in repeated), key=completion_index, reverse=True)
        ranked = [*repeated, *rest]
    return ranked[:count]


def _newest_first(pod: Obj) -> float:
    return -parse_time(pod["metadata"]["creationTimestamp"]).timestamp()


def failures_before(spec: Obj, pods: list[Obj], index: int) -> tuple[int, int]:
    """Return how often an index has failed, and how many failures were ignored, from the pods that are there."""
    counted, ignored = 0, 0
    for pod in pods:
        if completion_index(pod) != index or not (phase(pod) == "Failed" or is_deleting(pod)):
            continue
        skipped = phase(pod) == "Failed" and judge(spec.get("podFailurePolicy"), pod).action == "Ignore"
        counted = max(counted, index_failures(pod) + (not skipped))
        text = (pod["metadata"].get("annotations") or {}).get(IGNORED, "0")
        ignored = max(ignored, int(text) + skipped)
    return counted, ignored


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
