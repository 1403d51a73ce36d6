"""Conditions of a status: a list keyed by type."""

from collections.abc import Sequence

from apimachinery.objects.metadata import Obj


def get_condition(status: Obj | None, kind: str) -> Obj | None:
    """The condition of a type in `status.conditions`, or None."""
    for row in (status or {}).get("conditions") or ():
        if row.get("type") == kind:
            found: Obj = row
            return found
    return None


def is_true(status: Obj | None, kind: str) -> bool:
    """Whether a condition is there and True."""
    return (get_condition(status, kind) or {}).get("status") == "True"


def set_condition(conditions: Sequence[Obj], new: Obj, now: str) -> list[Obj]:
    """The list with a condition set; its lastTransitionTime moves only when its status changes."""
    result = []
    placed = False
    for row in conditions:
        if row.get("type") != new["type"]:
            result.append(row)
            continue
        same = row.get("status") == new["status"]
        moment = row.get("lastTransitionTime") if same else now
        result.append({**new, "lastTransitionTime": moment or now})
        placed = True
    if not placed:
        result.append({**new, "lastTransitionTime": new.get("lastTransitionTime") or now})
    return result
