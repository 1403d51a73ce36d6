"""FlowSchema and PriorityLevelConfiguration."""

from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a flow schema or priority level, in place."""
    spec = obj.setdefault("spec", {})
    obj.setdefault("status", {})
    if obj.get("kind") == "FlowSchema":
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = 1000
        return
    if "exempt" in spec or spec.get("type") == "Exempt":
        exempt = spec.setdefault("exempt", {})
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is not None:
        limited.setdefault("nominalConcurrencyShares", 30)
        limited.setdefault("lendablePercent", 0)
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        if queuing is not None:
            for field, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
                if not queuing.get(field):
                    queuing[field] = value
