"""How many replicas a metric asks for (pure). All amounts are thousandths; divisions are cut off, as upstream's are."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controllers.horizontal_pod_autoscaler.pod_groups import Groups, MetricError, Reading

_NO_READINGS = "did not receive metrics for targeted pods (pods might be unready)"


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far use may be from its target before anything is done, as shares of it.

    Attributes:
        up: Above.
        down: Below.
    """

    up: float = 0.1
    down: float = 0.1

    def hold(self, ratio: float) -> bool:
        """Whether a ratio of use to target is near enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Use:
    """Use against a target.

    Attributes:
        ratio: Of use to target.
        average: Use per pod.
        percent: Use in percent of what is requested, for utilization.
    """

    ratio: float
    average: int
    percent: int = 0


Values = Mapping[str, int]


def utilization(values: Values, requests: Values, target: int) -> Use:
    """Use as a percentage of the requests.

    Raises:
        MetricError: if no reading is of a pod that is known.
    """
    known = {title: value for title, value in values.items() if title in requests}
    asked = sum(requests[title] for title in known)
    if not asked:
        raise MetricError("no metrics returned matched known pods")
    total = sum(known.values())
    percent = total * 100 // asked
    return Use(percent / target, total // len(known), percent)


def average(values: Values, target: int) -> Use:
    """Use per pod against a target."""
    use = sum(values.values()) // len(values)
    return Use(use / target, use)


def by_pods(
    current: int,
    groups: Groups,
    readings: Mapping[str, Reading],
    measure: Callable[[Values], Use],
    assumed: Callable[[str], int],
    tolerances: Tolerances,
) -> tuple[int, Use]:
    """Replicas for a metric that is measured pod by pod.

    Pods without a reading are taken to use little where pods are added and much where they are taken away, so that
    neither is overdone.

    Args:
        current: How many replicas there are to be.
        groups: The pods.
        readings: Those that count.
        measure: Compares values with the target.
        assumed: The use of a pod without a reading, where pods are taken away.
        tolerances: When to leave things as they are.

    Raises:
        MetricError: without readings.
    """
    if not readings:
        raise MetricError(_NO_READINGS)
    values = {title: reading.value for title, reading in readings.items()}
    use = measure(values)
    grows_with_unready = bool(groups.unready) and use.ratio > 1.0
    if not grows_with_unready and not groups.missing:
        return (current if tolerances.hold(use.ratio) else math.ceil(use.ratio * groups.ready)), use
    if use.ratio < 1.0:
        values.update({title: assumed(title) for title in groups.missing})
    elif use.ratio > 1.0:
        values.update(dict.fromkeys(groups.missing, 0))
    if grows_with_unready:
        values.update(dict.fromkeys(groups.unready, 0))
    again = measure(values).ratio
    turned = (use.ratio < 1.0 < again) or (again < 1.0 < use.ratio)
    if tolerances.hold(again) or turned:
        return current, use
    replicas = math.ceil(again * len(values))
    if (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current):
        return current, use
    return replicas, use


def by_ratio(current: int, ratio: float, ready: int, tolerances: Tolerances) -> int:
    """Replicas for one value that all pods share.

    Args:
        current: How many replicas there are to be; none may become some.
        ratio: Of the value to its target.
        ready: How many pods are ready.
        tolerances: When to leave things as they are.
    """
    if not current:
        return math.ceil(ratio)
    return current if tolerances.hold(ratio) else math.ceil(ratio * ready)


def by_share(replicas: int, value: int, target: int, tolerances: Tolerances) -> tuple[int, int]:
    """Replicas for one value whose share per pod has a target; and the present share.

    Args:
        replicas: How many there are.
        value: The whole.
        target: Per pod.
        tolerances: When to leave things as they are.
    """
    if not replicas:
        return math.ceil(value / target), 0
    wanted = replicas if tolerances.hold(value / (target * replicas)) else math.ceil(value / target)
    return wanted, math.ceil(value / replicas)
