"""DaemonSet."""

from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.objects.metadata import Obj

_STATUS = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}


def apply_defaults(obj: Obj) -> None:
    """Fill in a DaemonSet, in place."""
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    apply_template_defaults(spec.get("template"))
    obj["status"] = {**_STATUS, **(obj.get("status") or {})}
