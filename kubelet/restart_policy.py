"""Pure: whether a container that exited comes back, from the pod's restartPolicy and the container's own policy and
rules.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def is_sidecar(container: Obj) -> bool:
    """Whether an init container is restartable (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def effective_policy(pod: Obj, container: Obj) -> str:
    """The container's own restartPolicy if set (KEP-5307), else the pod's."""
    return str(container.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always")


def restarts(pod: Obj, container: Obj, exit_code: int) -> bool:
    """Whether the container starts again after leaving with `exit_code`."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes")
        if codes is None:
            continue
        inside = exit_code in (codes.get("values") or ())
        if inside == (codes.get("operator") == "In"):
            return rule.get("action") in {"Restart", "RestartAllContainers"}
    policy = effective_policy(pod, container)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
