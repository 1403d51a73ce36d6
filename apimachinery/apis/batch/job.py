"""Job."""

from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.objects.metadata import Obj

_RETRIES = 6
_MOST = 2**31 - 1


def apply_defaults(obj: Obj) -> None:
    """Fill in a Job, in place."""
    spec = obj.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    if "backoffLimit" not in spec:
        spec["backoffLimit"] = _MOST if "backoffLimitPerIndex" in spec else _RETRIES
    template = spec.get("template")
    labels = ((template or {}).get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    policy = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "Failed" if policy else "TerminatingOrFailed")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    apply_template_defaults(template)
    obj.setdefault("status", {})
