"""Tolerations that several parties give one Pod (pure)."""

from __future__ import annotations

from apimachinery.objects.metadata import Obj


def merged_tolerations(tolerations: list[Obj]) -> list[Obj]:
    """Drop the tolerations that another one covers."""
    out: list[Obj] = []
    for position, one in enumerate(tolerations):
        others = [*out, *tolerations[position + 1 :]]
        if not any(covers(other, one) for other in others):
            out.append(one)
    return out


def covers(wide: Obj, narrow: Obj) -> bool:
    """Tell whether all that the one tolerates the other tolerates too."""
    if wide == narrow:
        return True
    exists = wide.get("operator") == "Exists"
    # A toleration without a key tolerates all keys if it tolerates by existence.
    if wide.get("key", "") != narrow.get("key", "") and (wide.get("key") or not exists):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    if wide.get("effect") == "NoExecute" and wide.get("tolerationSeconds") is not None:
        seconds = narrow.get("tolerationSeconds")
        if seconds is None or seconds > wide["tolerationSeconds"]:
            return False
    if exists:
        return True
    return narrow.get("operator", "Equal") in ("", "Equal") and wide.get("value", "") == narrow.get("value", "")
