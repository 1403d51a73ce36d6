"""ResourceClaim and ResourceClaimTemplate."""

from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a claim or a claim template, in place."""
    spec = obj.setdefault("spec", {})
    if obj.get("kind") == "ResourceClaimTemplate":
        spec = spec.setdefault("spec", {})
    else:
        obj.setdefault("status", {})
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is None:
                continue
            if not one.get("allocationMode"):
                one["allocationMode"] = "ExactCount"
            if one["allocationMode"] == "ExactCount" and not one.get("count"):
                one["count"] = 1
