"""Taints of nodes and tolerations of pods."""

from collections.abc import Iterable

from apimachinery.objects.metadata import Obj


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether one toleration tolerates one taint."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return (
        operator == "Equal"
        and bool(toleration.get("key"))
        and (toleration.get("value") or "") == (taint.get("value") or "")
    )


def first_untolerated(taints: Iterable[Obj], tolerations: Iterable[Obj], effects: tuple[str, ...]) -> Obj | None:
    """The first taint with one of the effects that no toleration tolerates, or None."""
    listed = list(tolerations)
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(one, taint) for one in listed):
            return taint
    return None
