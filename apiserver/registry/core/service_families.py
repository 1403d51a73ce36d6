"""IP families of a Service: filled in from policy, addresses and what the cluster has, or refused. Pure."""

from __future__ import annotations

from apimachinery.objects.field_path import FieldError, FieldPath, invalid
from apimachinery.objects.metadata import Obj
from apiserver.registry.service_ips import family_of

_SPEC = FieldPath("spec")
_POLICY = _SPEC.child("ipFamilyPolicy")
_SINGLE, _REQUIRED = "SingleStack", "RequireDualStack"
_BOTH = ("IPv4", "IPv6")
_NONE = "None"
_RELEASE = "must be 'SingleStack' to release the secondary {}"
_MULTIPLE = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"


def settle(spec: Obj, before: Obj, configured: tuple[str, ...]) -> list[FieldError]:
    """Fill in `ipFamilyPolicy` and `ipFamilies`, in place, or tell what is wrong.

    Args:
        spec: of a Service that has addresses or is headless.
        before: the specification it replaces, empty for a new Service.
        configured: the families of the cluster, the primary one first.
    """
    bare = spec.get("clusterIP") == _NONE and not spec.get("selector")
    policy = spec.get("ipFamilyPolicy") or before.get("ipFamilyPolicy") or (_REQUIRED if bare else _SINGLE)
    addresses, families = list(spec.get("clusterIPs") or ()), list(spec.get("ipFamilies") or ())
    if policy == _SINGLE and before:
        addresses = addresses[:1] if addresses == (before.get("clusterIPs") or []) else addresses
        families = families[:1] if families == (before.get("ipFamilies") or []) else families
    errors = _contradictions(policy, addresses, families, before)
    for position, address in enumerate(addresses[len(families) :], start=len(families)):
        if address == _NONE:
            break
        family = family_of(address)
        if family not in configured:
            why = f"{family} is not configured on this cluster"
            errors.append(invalid(_SPEC.child("clusterIPs").index(position), addresses, why))
        families.append(family)
    if errors:
        return errors
    families = families or [configured[0]]
    if not bare:
        errors = _unavailable(policy, families, configured)
        if errors:
            return errors
    if policy != _SINGLE and len(families) == 1 and (bare or len(configured) == len(_BOTH)):
        families.append(next(one for one in _BOTH if one != families[0]))
    spec["ipFamilyPolicy"], spec["ipFamilies"] = policy, families
    if addresses:
        spec["clusterIPs"] = addresses
    return []


def _contradictions(policy: str, addresses: list[str], families: list[str], before: Obj) -> list[FieldError]:
    """What policy, addresses and families say against each other."""
    given = (
        ("cluster IP", "cluster IPs", addresses, before.get("clusterIPs") or []),
        ("IP family", "IP families", families, before.get("ipFamilies") or []),
    )
    if policy == _SINGLE:
        return [invalid(_POLICY, policy, _MULTIPLE.format(many)) for _, many, now, _ in given if len(now) == len(_BOTH)]
    return [
        invalid(_POLICY, policy, _RELEASE.format(one))
        for one, _, now, was in given
        if len(was) == len(_BOTH) and len(now) == 1
    ]


def _unavailable(policy: str, families: list[str], configured: tuple[str, ...]) -> list[FieldError]:
    """What the cluster does not have."""
    errors = []
    if policy == _REQUIRED and len(configured) < len(_BOTH):
        errors.append(invalid(_POLICY, policy, "this cluster is not configured for dual-stack services"))
    errors.extend(
        invalid(_SPEC.child("ipFamilies").index(position), family, "not configured on this cluster")
        for position, family in enumerate(families)
        if family not in configured
    )
    return errors
