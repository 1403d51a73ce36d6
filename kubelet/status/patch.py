"""Pure: the smallest strategic merge patch that turns one PodStatus into another."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_MERGED_BY = {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"}


def status_patch(old: Obj, new: Obj) -> Obj | None:
    """The patch for `status`, or None if nothing differs. Conditions of others are never touched."""
    patch: Obj = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if after is None:
            if key not in {"nominatedNodeName", "resourceClaimStatuses", "extendedResourceClaimStatus", "resize"}:
                patch[key] = None
        elif key == "conditions":
            changed = _conditions(before or [], after)
            if changed:
                patch[key] = changed
        elif key in _MERGED_BY and before:
            patch[key] = [*after, {"$patch": "replace"}]
        else:
            patch[key] = after
    return patch or None


def _conditions(before: list[Obj], after: list[Obj]) -> list[Obj]:
    old = {c["type"]: c for c in before}
    new = {c["type"]: c for c in after}
    changed = [_complete(c, old.get(kind)) for kind, c in new.items() if not _same(c, old.get(kind))]
    changed += [{"type": kind, "$patch": "delete"} for kind in old if kind not in new]
    return changed


def _same(fresh: Obj, old: Obj | None) -> bool:
    if old is None:
        return False
    keys = ("status", "reason", "message", "observedGeneration")
    return all((fresh.get(k) or None) == (old.get(k) or None) for k in keys)


def _complete(fresh: Obj, old: Obj | None) -> Obj:
    gone = {k: None for k in ("reason", "message") if old and old.get(k) and not fresh.get(k)}
    return {**fresh, **gone}
