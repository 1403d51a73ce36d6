"""The scheduler's metrics, with upstream's names."""

from component.metrics import Registry

REGISTRY = Registry()

_ATTEMPTS = REGISTRY.counter(
    "scheduler_schedule_attempts_total", "Number of attempts to schedule pods, by the result.", "result"
)
_ATTEMPT_SECONDS = REGISTRY.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Scheduling attempt latency in seconds, without binding.",
    "result",
    buckets=(0.0001, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.064, 0.256, 1.024),
)
_POD_SECONDS = REGISTRY.histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "Seconds from a pod's entry into the queue to its binding.",
    "attempts",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 60.0),
)
_PENDING = REGISTRY.gauge("scheduler_pending_pods", "Number of pending pods, by the queue.", "queue")
_PREEMPTIONS = REGISTRY.counter("scheduler_preemption_attempts_total", "Preemptions carried out.")
_MAX_ATTEMPTS_LABEL = 15


def attempted(result: str, seconds: float) -> None:
    """A cycle ended (or a binding failed: `error`)."""
    _ATTEMPTS.inc(result)
    _ATTEMPT_SECONDS.observe(result, value=seconds)


def bound(seconds: float, attempts: int) -> None:
    """A pod got its node."""
    _POD_SECONDS.observe(str(attempts) if attempts < _MAX_ATTEMPTS_LABEL else "15+", value=seconds)


def preempted() -> None:
    """Victims were chosen."""
    _PREEMPTIONS.inc()


def pending(counts: dict[str, int]) -> None:
    """Waiting pods by queue."""
    for queue, count in counts.items():
        _PENDING.set(queue, to=count)
