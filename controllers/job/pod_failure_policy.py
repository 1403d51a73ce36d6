"""What the failure of a pod means to its Job (`spec.podFailurePolicy`, KEP-3329; pure)."""

from __future__ import annotations

from dataclasses import dataclass

from apimachinery.objects.metadata import Obj, name, namespace


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says.

    Attributes:
        action: `FailJob`, `FailIndex`, `Ignore` or `Count`.
        message: Why, for the Job's condition.
    """

    action: str
    message: str = ""


_COUNT = Verdict("Count")


def judge(policy: Obj | None, pod: Obj) -> Verdict:
    """Return the verdict of the first rule that a failed pod matches; `Count` where none does."""
    for position, rule in enumerate((policy or {}).get("rules") or ()):
        why = _exit_code(rule.get("onExitCodes"), pod) if rule.get("onExitCodes") else _condition(rule, pod)
        if why:
            return Verdict(rule["action"], f"{why} matching {rule['action']} rule at index {position}")
    return _COUNT


def _exit_code(asked: Obj, pod: Obj) -> str:
    status = pod.get("status") or {}
    for row in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        ended = (row.get("state") or {}).get("terminated")
        if not ended or not ended.get("exitCode") or asked.get("containerName") not in (None, row["name"]):
            continue
        code = ended["exitCode"]
        if (code in (asked.get("values") or ())) == (asked.get("operator") == "In"):
            return f"Container {row['name']} for pod {namespace(pod)}/{name(pod)} failed with exit code {code}"
    return ""


def _condition(rule: Obj, pod: Obj) -> str:
    for asked in rule.get("onPodConditions") or ():
        for condition in (pod.get("status") or {}).get("conditions") or ():
            if condition.get("type") == asked.get("type") and condition.get("status") == asked.get("status", "True"):
                return f"Pod {namespace(pod)}/{name(pod)} has condition {condition['type']}"
    return ""
