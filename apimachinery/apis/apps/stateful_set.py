"""StatefulSet."""

from typing import Any

from apimachinery.apis.apps.workloads import SPEC, same_spec, validate_workload
from apimachinery.apis.core import persistent_volume_claim
from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors, at_most_everything, non_negative, one_of, percent_or_number
from apimachinery.objects.field_path import FieldPath, forbidden, invalid
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a StatefulSet, in place."""
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for field in ("whenDeleted", "whenScaled"):
        if not retention.get(field):
            retention[field] = "Retain"
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("metadata", {})
        persistent_volume_claim.apply_defaults(claim)
    apply_template_defaults(spec.get("template"))
    obj["status"] = {"replicas": 0, "availableReplicas": 0, **(obj.get("status") or {})}


_UPDATABLE = frozenset(
    (
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "persistentVolumeClaimRetentionPolicy",
        "revisionHistoryLimit",
    )
)
_REFUSED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def validate(obj: Obj) -> Errors:
    """What is wrong with a StatefulSet."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    management = spec.get("podManagementPolicy")
    if management not in ("OrderedReady", "Parallel"):
        told = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid(SPEC.child("podManagementPolicy"), management, told))
    strategy = spec.get("updateStrategy") or {}
    here = SPEC.child("updateStrategy")
    if strategy.get("type") not in ("OnDelete", "RollingUpdate"):
        errors.append(invalid(here, strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "OnDelete" and rolling is not None:
        told = "only allowed for updateStrategy 'RollingUpdate'"
        errors.append(invalid(here.child("rollingUpdate"), rolling, told))
    elif rolling:
        errors.extend(non_negative(rolling.get("partition"), here.child("rollingUpdate", "partition")))
        errors.extend(_unavailable(rolling.get("maxUnavailable"), here.child("rollingUpdate", "maxUnavailable")))
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled"):
        where = SPEC.child("persistentVolumeClaimRetentionPolicy", field)
        errors.extend(one_of(retention.get(field), where, ("Delete", "Retain")))
    errors.extend(non_negative((spec.get("ordinals") or {}).get("start"), SPEC.child("ordinals", "start")))
    return [*errors, *validate_workload({**spec, "template": _with_claims(spec)}, "StatefulSet")]


def _with_claims(spec: Obj) -> Obj | None:
    """The template with a volume for each claim template, as its pods will have: containers mount them by name."""
    template: Obj | None = spec.get("template")
    claims = [(claim.get("metadata") or {}).get("name") for claim in spec.get("volumeClaimTemplates") or ()]
    if not template or not claims:
        return template
    pod = template.get("spec") or {}
    own = [volume for volume in pod.get("volumes") or () if volume.get("name") not in claims]
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims if name]
    return {**template, "spec": {**pod, "volumes": [*own, *claimed]}}


def _unavailable(value: Any, path: FieldPath) -> Errors:
    errors = [*percent_or_number(value, path), *at_most_everything(value, path)]
    return [*errors, invalid(path, value, "cannot be 0")] if value in (0, "0%") else errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a StatefulSet that replaces another: little may change."""
    if same_spec(new, old):
        return []
    errors = validate(new)
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if any(after.get(field) != before.get(field) for field in {*after, *before} - _UPDATABLE):
        errors.append(forbidden(SPEC, _REFUSED))
    return errors


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a StatefulSet's pods."""
    return template_warnings((obj.get("spec") or {}).get("template"), FieldPath("spec.template"))
