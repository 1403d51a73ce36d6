"""How fast an autoscaler may follow its metrics: stabilization windows and scaling policies (pure)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity
from controllers.horizontal_pod_autoscaler.replica_calculator import Tolerances

_UP: Obj = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Obj = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_IN_RANGE = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_FAST_UP = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_TOO_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_STEADY = ("ReadyForNewScale", "recommended size matches current size")
_HELD_UP = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_HELD_DOWN = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)

Reason = tuple[str, str]


@dataclass(slots=True)
class Memory:
    """What an autoscaler has recommended and done, as (monotonic seconds, number).

    Attributes:
        recommendations: Replicas that the metrics asked for.
        changes: Replicas added, or taken away where negative.
    """

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def forget(self, before: float) -> None:
        """Drop what is older than a moment."""
        self.recommendations = [row for row in self.recommendations if row[0] >= before]
        self.changes = [row for row in self.changes if row[0] >= before]

    def changed_since(self, moment: float) -> int:
        """Replicas added since, less those taken away."""
        return sum(change for at, change in self.changes if at > moment)


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there shall be.

    Attributes:
        replicas: The number.
        able: Reason and message of AbleToScale.
        limited: Whether a limit was hit.
        limit: Reason and message of ScalingLimited.
    """

    replicas: int
    able: Reason
    limited: bool
    limit: Reason


def _rules(spec: Obj, direction: str, ours: Obj) -> Obj:
    given = (spec.get("behavior") or {}).get(direction) or {}
    return {**ours, **{key: value for key, value in given.items() if value is not None}}


def tolerances(spec: Obj) -> Tolerances:
    """What the behavior of an autoscaler says of tolerances (KEP-4951).

    Args:
        spec: The autoscaler's.
    """
    up, down = (_rules(spec, direction, {}).get("tolerance") for direction in ("scaleUp", "scaleDown"))

    def share(value: Any) -> float:
        return 0.1 if value is None else float(parse_quantity(value))

    return Tolerances(share(up), share(down))


def longest_memory(spec: Obj) -> float:
    """Seconds that a memory has to reach back."""
    rules = (_rules(spec, "scaleUp", _UP), _rules(spec, "scaleDown", _DOWN))
    return float(max(max(rule["stabilizationWindowSeconds"], *_periods(rule), 0) for rule in rules))


def _periods(rules: Obj) -> Iterable[int]:
    return (policy["periodSeconds"] for policy in rules["policies"])


def decide(spec: Obj, current: int, wanted: int, memory: Memory, now: float) -> Decision:
    """What comes of what the metrics ask for.

    Args:
        spec: The autoscaler's.
        current: Replicas there are to be now.
        wanted: Replicas that the metrics ask for; remembered.
        memory: Of this autoscaler.
        now: Monotonic seconds.
    """
    up, down = _rules(spec, "scaleUp", _UP), _rules(spec, "scaleDown", _DOWN)
    steady = _stabilize(up, down, current, wanted, memory, now)
    held = _HELD_UP if wanted >= current else _HELD_DOWN
    memory.recommendations.append((now, wanted))
    least, most = int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])
    replicas, limit = steady, _IN_RANGE
    # Without a behavior the older rules hold: at most doubled at once, or up to four.
    paced = spec.get("behavior") is not None
    if steady > current:
        fastest = max(current, _fastest(up, current, memory, now, 1) if paced else max(2 * current, 4))
        top, reason = (fastest, _TOO_FAST_UP) if most > fastest else (most, _TOO_MANY)
        if steady > top:
            replicas, limit = top, reason
    elif steady < current:
        fastest = min(current, _fastest(down, current, memory, now, -1)) if paced else 0
        bottom, reason = (fastest, _TOO_FAST_DOWN) if least < fastest else (least, _TOO_FEW)
        if steady < bottom:
            replicas, limit = bottom, reason
    return Decision(replicas, held if steady != wanted else _STEADY, replicas != steady, limit)


def _stabilize(up: Obj, down: Obj, current: int, wanted: int, memory: Memory, now: float) -> int:
    def since(rules: Obj) -> list[int]:
        moment = now - rules["stabilizationWindowSeconds"]
        return [number for at, number in memory.recommendations if at > moment]

    lowest, highest = min([wanted, *since(up)]), max([wanted, *since(down)])
    return min(max(current, lowest), highest)


def _fastest(rules: Obj, current: int, memory: Memory, now: float, sign: int) -> int:
    """The furthest that the policies let the number go."""
    if rules["selectPolicy"] == "Disabled":
        return current
    reached: list[int] = []
    for policy in rules["policies"]:
        start = current - memory.changed_since(now - policy["periodSeconds"])
        if policy["type"] == "Pods":
            reached.append(start + sign * policy["value"])
        else:
            # Upwards any change is at least one pod; downwards the rest of a pod is kept off.
            goal = start * (1 + sign * policy["value"] / 100)
            reached.append(math.ceil(goal) if sign > 0 else int(goal))
    furthest = (rules["selectPolicy"] == "Min") == (sign < 0)
    return max(reached) if furthest else min(reached)
