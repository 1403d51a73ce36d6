"""CustomResourceDefinitions: what follows from their spec (pure).

Names and their conflicts, conditions, the versions served and stored, and the `Resource` of each version.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from apimachinery.objects.conditions import is_true, set_condition
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apiserver.apiextensions import api_approval
from apiserver.endpoints.discovery import version_rank

GROUP: Final = "apiextensions.k8s.io"
RESOURCE: Final = f"customresourcedefinitions.{GROUP}"
FINALIZER: Final = f"customresourcecleanup.{GROUP}"


def names(crd: Obj) -> Obj:
    """Return spec.names with its defaults."""
    given = (crd.get("spec") or {}).get("names") or {}
    kind = given.get("kind", "")
    return {
        **given,
        "singular": given.get("singular") or kind.lower(),
        "listKind": given.get("listKind") or kind + "List",
    }


def storage_version(crd: Obj) -> str:
    """Return the name of the storage version."""
    versions = (crd.get("spec") or {}).get("versions") or ()
    return str(next((version.get("name") or "" for version in versions if version.get("storage")), ""))


def served_versions(crd: Obj) -> list[Obj]:
    """Return the served versions."""
    return [version for version in (crd.get("spec") or {}).get("versions") or () if version.get("served")]


def deprecation(crd: Obj, version: Obj) -> str:
    """Return the warning for those who use a deprecated version, "" for others."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    spec = crd["spec"]
    kind, group, own = names(crd)["kind"], spec["group"], version_rank(version["name"])
    fresh = [one["name"] for one in served_versions(crd) if not one.get("deprecated")]
    better = sorted((name for name in fresh if version_rank(name) < own), key=version_rank)
    text = f"{group}/{version['name']} {kind} is deprecated"
    return f"{text}; use {group}/{better[0]} {kind}" if better else text


def store_version(crd: Obj) -> None:
    """Note in the status that objects may be stored in the storage version, in place."""
    status: Obj = crd.setdefault("status", {})
    current, stored = storage_version(crd), list(status.get("storedVersions") or ())
    if current and current not in stored:
        status["storedVersions"] = [*stored, current]


def is_established(crd: Obj) -> bool:
    """Tell whether the resource may be served."""
    return is_true(crd.get("status"), "Established")


def names_accepted(crd: Obj) -> bool:
    """Tell whether all its names are its own."""
    return is_true(crd.get("status"), "NamesAccepted")


def is_terminating(crd: Obj) -> bool:
    """Tell whether the CRD is on its way out."""
    return bool(crd["metadata"].get("deletionTimestamp"))


def resource(crd: Obj, version: Obj) -> Resource:
    """Return the identity of one version."""
    spec, accepted = crd["spec"], names(crd)
    subresources = version.get("subresources") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=accepted["kind"],
        plural=accepted["plural"],
        namespaced=spec.get("scope") == "Namespaced",
        singular=accepted["singular"],
        short_names=tuple(accepted.get("shortNames") or ()),
        categories=tuple(accepted.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if subresources.get(name) is not None),
    )


def _taken(crd: Obj, others: Iterable[Obj]) -> tuple[set[str], set[str]]:
    """Return the names and kinds other CRDs of the group hold."""
    plurals: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other["metadata"]["name"] == crd["metadata"]["name"]:
            continue
        if (other.get("spec") or {}).get("group") != crd["spec"].get("group"):
            continue
        accepted = (other.get("status") or {}).get("acceptedNames") or {}
        plurals.update(filter(None, (accepted.get("plural"), accepted.get("singular"))))
        plurals.update(accepted.get("shortNames") or ())
        kinds.update(filter(None, (accepted.get("kind"), accepted.get("listKind"))))
    return plurals, kinds


def accept_names(crd: Obj, others: Iterable[Obj]) -> tuple[Obj, str, str]:
    """Return (accepted names, reason, message); the reason is `NoConflicts` when all are free."""
    requested = names(crd)
    plurals, kinds = _taken(crd, others)
    before = (crd.get("status") or {}).get("acceptedNames") or {}
    accepted: Obj = dict(before)
    reason, message = "NoConflicts", "no conflicts found"
    for field, taken, word in (
        ("plural", plurals, "PluralConflict"),
        ("singular", plurals, "SingularConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        if requested.get(field, "") in taken:
            reason, message = word, f'"{requested[field]}" is already in use'
        else:
            accepted[field] = requested.get(field, "")
    short = requested.get("shortNames") or []
    busy = [name for name in short if name in plurals]
    if busy:
        reason, message = "ShortNamesConflict", ", ".join(f'"{name}" is already in use' for name in busy)
    elif short:
        accepted["shortNames"] = short
    else:
        accepted.pop("shortNames", None)
    if requested.get("categories"):
        accepted["categories"] = requested["categories"]
    else:
        accepted.pop("categories", None)
    return accepted, reason, message


def _condition(kind: str, *, true: bool, reason: str, message: str, now: str) -> Obj:
    return {
        "type": kind,
        "status": "True" if true else "False",
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def new_status(crd: Obj, others: Iterable[Obj], now: str) -> Obj:
    """Return the status a CRD should have."""
    status: Obj = dict(crd.get("status") or {})
    accepted, reason, message = accept_names(crd, others)
    status["acceptedNames"] = accepted
    conflict_free = reason == "NoConflicts"
    conditions: list[Any] = list(status.get("conditions") or ())
    named = _condition("NamesAccepted", true=conflict_free, reason=reason, message=message, now=now)
    conditions = set_condition(conditions, named, now)
    if conflict_free and not is_established(crd):
        text = "the initial names have been accepted"
        new = _condition("Established", true=True, reason="InitialNamesAccepted", message=text, now=now)
        conditions = set_condition(conditions, new, now)
    elif not conflict_free and not is_established(crd):
        text = "not all names are accepted"
        new = _condition("Established", true=False, reason="NotAccepted", message=text, now=now)
        conditions = set_condition(conditions, new, now)
    approval, told = api_approval.state(crd)
    if approval:
        true = approval == "ApprovedAnnotation"
        new = _condition(api_approval.CONDITION, true=true, reason=approval, message=told, now=now)
        conditions = set_condition(conditions, new, now)
    status["conditions"] = conditions
    return status


def terminating_status(crd: Obj, now: str, *, done: bool, message: str = "") -> Obj:
    """Return the status while instances are being deleted."""
    status: Obj = dict(crd.get("status") or {})
    if done:
        new = _condition(
            "Terminating", true=False, reason="InstanceDeletionCompleted", message="removed all instances", now=now
        )
    else:
        new = _condition(
            "Terminating",
            true=True,
            reason="InstanceDeletionInProgress",
            message=message or "CustomResource deletion is in progress",
            now=now,
        )
    status["conditions"] = set_condition(list(status.get("conditions") or ()), new, now)
    return status
