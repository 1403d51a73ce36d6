"""How a rolling update moves replicas: pure arithmetic over ReplicaSets (kubernetes' deployment/rolling and util)."""

import math
from typing import Any

from apimachinery.objects.metadata import Obj, name, number_in
from controllers.deployment.revisions import MAX


def replicas(obj: Obj) -> int:
    """spec.replicas, by default 1."""
    return int(obj["spec"].get("replicas", 1))


def available(obj: Obj) -> int:
    """status.availableReplicas."""
    return int((obj.get("status") or {}).get("availableReplicas") or 0)


def _resolve(value: Any, total: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def limits(deployment: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; never both zero."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    total = replicas(deployment)
    surge = _resolve(rolling.get("maxSurge", "25%"), total, up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), total, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, total)


def new_size(deployment: Obj, new: Obj, everything: list[Obj]) -> int:
    """How many replicas the new ReplicaSet may have now."""
    wanted = replicas(deployment)
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return wanted
    surge, _ = limits(deployment)
    total = sum(replicas(one) for one in everything)
    if total >= wanted + surge:
        return min(replicas(new), wanted) if replicas(new) > wanted else replicas(new)
    room = wanted + surge - total
    return replicas(new) + min(room, wanted - replicas(new))


def scale_down_plan(deployment: Obj, new: Obj, old: list[Obj]) -> dict[str, int]:
    """New sizes of old ReplicaSets, by name: unhealthy replicas first, then as many as availability allows."""
    _, unavailable = limits(deployment)
    wanted = replicas(deployment)
    least = wanted - unavailable
    everything = [*old, new]
    total = sum(replicas(one) for one in everything)
    new_unavailable = replicas(new) - available(new)
    most_cleaned = total - least - new_unavailable
    sizes = {name(one): replicas(one) for one in old}
    if most_cleaned <= 0:
        return {}
    cleaned = 0
    for one in old:
        if cleaned >= most_cleaned:
            break
        unhealthy = max(0, replicas(one) - available(one))
        taken = min(most_cleaned - cleaned, unhealthy)
        sizes[name(one)] -= taken
        cleaned += taken
    spare = sum(available(one) for one in everything) - least
    # What was cleaned was not available, so it does not count against what may go.
    for one in old:
        if spare <= 0:
            break
        taken = min(sizes[name(one)], spare)
        healthy = max(0, sizes[name(one)] - max(0, replicas(one) - available(one) - (replicas(one) - sizes[name(one)])))
        taken = min(taken, healthy)
        sizes[name(one)] -= taken
        spare -= taken
    return {key: size for key, size in sizes.items() if size != {name(one): replicas(one) for one in old}[key]}


def proportional_plan(deployment: Obj, active: list[Obj]) -> dict[str, int]:
    """New sizes when a Deployment is scaled in the middle of a rollout: shares stay, leftovers go to the largest."""
    surge, _ = limits(deployment)
    wanted = replicas(deployment)
    allowed = wanted + surge if wanted > 0 else 0
    total = sum(replicas(one) for one in active)
    to_add = allowed - total
    # Growing: newest of equal size first; shrinking: oldest first.
    ordered = sorted(active, key=lambda one: str((one.get("metadata") or {}).get("creationTimestamp") or ""))
    ordered = ordered[::-1] if to_add > 0 else ordered
    ordered.sort(key=replicas, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for one in ordered:
        share = 0
        if to_add != 0:
            share = _share(one, deployment, to_add, added, allowed)
            added += share
        sizes[name(one)] = replicas(one) + share
    if ordered and to_add != 0:
        first = name(ordered[0])
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _share(one: Obj, deployment: Obj, to_add: int, added: int, allowed: int) -> int:
    left = to_add - added
    if replicas(one) == 0 or to_add == 0:
        return 0
    if replicas(deployment) == 0:
        fraction = -replicas(one)
    else:
        before = number_in(one, MAX) or int((deployment.get("status") or {}).get("replicas") or 0)
        if not before:
            return 0
        fraction = _round(replicas(one) * allowed / before) - replicas(one)
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _round(number: float) -> int:
    return math.floor(number + 0.5) if number >= 0 else math.ceil(number - 0.5)
