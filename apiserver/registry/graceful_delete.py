"""What a DELETE does to an object, decided: remove it, mark it, or leave it as it is.

Pure. Upstream's order: finalizers by propagation policy, then the grace period, then whether anything still holds
the object.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apimachinery.errors import BadRequest, Conflict, Invalid
from apimachinery.objects.field_path import FieldPath, invalid, not_supported
from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import format_time, parse_time
from apimachinery.resources import Resource

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True, slots=True)
class Deletion:
    """The decision. `updated` is the object to store instead; None with `remove` False means nothing changes."""

    remove: bool
    updated: Obj | None = None


def check_options(options: Obj) -> None:
    """Refuse DeleteOptions that contradict themselves."""
    policy, grace, dry_run = options.get("propagationPolicy"), options.get("gracePeriodSeconds"), options.get("dryRun")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise BadRequest("json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64")
    if dry_run is not None and not isinstance(dry_run, list):
        raise BadRequest("json: cannot unmarshal into Go struct field DeleteOptions.dryRun of type []string")
    errors = []
    if policy is not None and options.get("orphanDependents") is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid(FieldPath("propagationPolicy"), policy, why))
    elif policy is not None and (not isinstance(policy, str) or policy not in _POLICIES):
        errors.append(not_supported(FieldPath("propagationPolicy"), policy, (*_POLICIES, "nil")))
    if any(value != "All" for value in dry_run or ()):
        errors.append(not_supported(FieldPath("dryRun"), dry_run, ("All",)))
    if errors:
        raise Invalid.of("DeleteOptions", "meta.k8s.io", "", errors)


def check_preconditions(resource: Resource, name: str, metadata: dict[str, Any], options: Obj) -> None:
    """Refuse when the object is not the one the client means."""
    wanted = options.get("preconditions") or {}
    uid = wanted.get("uid")
    if uid is not None and uid != metadata.get("uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata.get('uid')}"
        raise Conflict.of(resource, name, why)
    version = wanted.get("resourceVersion")
    if version is not None and version != metadata.get("resourceVersion"):
        why = (
            f"Precondition failed: ResourceVersion in precondition: {version}, "
            f"ResourceVersion in object meta: {metadata.get('resourceVersion')}"
        )
        raise Conflict.of(resource, name, why)


def names_policy(options: Obj) -> bool:
    """Return whether DeleteOptions say what is to become of dependents."""
    return options.get("propagationPolicy") is not None or options.get("orphanDependents") is not None


def _finalizers(current: list[str], options: Obj, *, orphans: bool) -> list[str]:
    """Return the finalizers after the propagation policy has had its say."""
    policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    if not names_policy(options):
        by_default = orphans and ORPHAN not in current and FOREGROUND not in current
        return [*current, ORPHAN] if by_default else list(current)
    kept = [value for value in current if value not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan" or orphan is True:
        kept.append(ORPHAN)
    elif policy == "Foreground":
        kept.append(FOREGROUND)
    return kept


def decide(obj: Obj, options: Obj, *, grace: int | None, now: str, held: bool, orphans: bool = False) -> Deletion:
    """Decide one deletion.

    Args:
        obj: the object as stored.
        options: DeleteOptions.
        grace: seconds somebody needs to finish the object; None when nobody has to.
        now: the current time as RFC 3339.
        held: whether something else than metadata.finalizers keeps it (a Namespace's spec.finalizers).
        orphans: whether dependents stay where nothing is said of them.
    """
    new = copy.deepcopy(obj)
    metadata = new["metadata"]
    finalizers = _finalizers(metadata.get("finalizers") or [], options, orphans=orphans)
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    held = held or bool(finalizers)
    if metadata.get("deletionTimestamp"):
        old_grace = metadata.get("deletionGracePeriodSeconds") or 0
        if grace is not None and options.get("gracePeriodSeconds") is not None and grace < old_grace:
            _mark(metadata, metadata["deletionTimestamp"], grace, old_grace)
        if (metadata.get("deletionGracePeriodSeconds") or 0) == 0 and not held:
            return Deletion(remove=True)
        return Deletion(remove=False, updated=new if new != obj else None)
    if not grace and not held:
        return Deletion(remove=True)
    if metadata.get("generation"):
        metadata["generation"] += 1
    _mark(metadata, now, grace or 0, 0)
    return Deletion(remove=False, updated=new)


def _mark(metadata: dict[str, Any], at: str, grace: int, already: int) -> None:
    """Set deletionTimestamp (when the grace period ends) and the period."""
    metadata["deletionTimestamp"] = format_time(parse_time(at) + timedelta(seconds=grace - already))
    metadata["deletionGracePeriodSeconds"] = grace
