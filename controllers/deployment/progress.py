"""A Deployment's status and conditions, from its ReplicaSets alone."""

import datetime

from apimachinery.objects.conditions import get_condition
from apimachinery.objects.metadata import Obj, metadata, name
from apimachinery.objects.times import format_time, parse_time
from controllers.deployment.rolling import available, limits, replicas

_NEW_AVAILABLE = "NewReplicaSetAvailable"
_OURS = ("Available", "Progressing", "ReplicaFailure")
_TIMED_OUT = "ProgressDeadlineExceeded"


def counts(deployment: Obj, everything: list[Obj], new: Obj | None) -> Obj:
    """The numbers of the status."""

    def total(field: str) -> int:
        return sum(int((one.get("status") or {}).get(field) or 0) for one in everything)

    ready, usable, existing = total("readyReplicas"), total("availableReplicas"), total("replicas")
    status: Obj = {
        "observedGeneration": metadata(deployment).get("generation", 0),
        "replicas": existing,
        "updatedReplicas": int(((new or {}).get("status") or {}).get("replicas") or 0),
        "readyReplicas": ready,
        "availableReplicas": usable,
        "unavailableReplicas": max(0, sum(replicas(one) for one in everything) - usable),
        "terminatingReplicas": total("terminatingReplicas"),
        "collisionCount": (deployment.get("status") or {}).get("collisionCount") or 0,
    }
    return {key: value for key, value in status.items() if value or key == "observedGeneration"}


def is_complete(deployment: Obj, status: Obj) -> bool:
    """Whether all replicas are of the present template and available."""
    wanted = replicas(deployment)
    return bool(
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def _is_progressing(old: Obj, new: Obj) -> bool:
    def stale(status: Obj) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    return bool(
        new.get("updatedReplicas", 0) > old.get("updatedReplicas", 0)
        or stale(new) < stale(old)
        or new.get("readyReplicas", 0) > old.get("readyReplicas", 0)
        or new.get("availableReplicas", 0) > old.get("availableReplicas", 0)
    )


def conditions(
    deployment: Obj, status: Obj, new: Obj | None, now: datetime.datetime, failure: Obj | None
) -> tuple[list[Obj], float | None]:
    """The conditions, and the seconds after which the progress deadline must be looked at (None: never).

    Args:
        deployment: With its old status.
        status: The new numbers.
        new: The ReplicaSet of the present template.
        now: The present.
        failure: A ReplicaSet's ReplicaFailure condition, if there is one.
    """
    old_status = deployment.get("status") or {}
    result: list[Obj] = [row for row in old_status.get("conditions") or () if row.get("type") not in _OURS]
    moment = format_time(now)

    def put(kind: str, value: str, reason: str, message: str, *, touch: bool = False) -> None:
        old = get_condition(old_status, kind)
        same = old is not None and old.get("status") == value and old.get("reason") == reason
        row = {
            "type": kind,
            "status": value,
            "lastUpdateTime": moment if touch or not same or old is None else old.get("lastUpdateTime", moment),
            "lastTransitionTime": old.get("lastTransitionTime", moment)
            if old is not None and old.get("status") == value
            else moment,
            "reason": reason,
            "message": message,
        }
        result.append(row)

    _, unavailable = limits(deployment)
    if status.get("availableReplicas", 0) >= replicas(deployment) - unavailable:
        put("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        put("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    look_again = None
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    progressing = get_condition(old_status, "Progressing")
    if deadline is not None and deadline < 2**31 - 1:
        look_again = _progressing(deployment, status, new, now, put)
    elif progressing is not None and progressing.get("reason") == "DeploymentPaused":
        result.append(progressing)
    if failure is not None:
        put("ReplicaFailure", "True", failure.get("reason", ""), failure.get("message", ""))
    return result, look_again


def _progressing(deployment: Obj, status: Obj, new: Obj | None, now: datetime.datetime, put: "object") -> float | None:
    assert callable(put)
    old_status = deployment.get("status") or {}
    old = get_condition(old_status, "Progressing")
    who = f'ReplicaSet "{name(new)}"' if new is not None else f'Deployment "{name(deployment)}"'
    if deployment["spec"].get("paused"):
        put("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        return None
    if is_complete(deployment, status):
        put("Progressing", "True", _NEW_AVAILABLE, f"{who} has successfully progressed.")
        return None
    if old is None or old.get("reason") in (_NEW_AVAILABLE, "DeploymentPaused", "DeploymentResumed"):
        changed = old is None or new is None or not old.get("message", "").startswith(who)
        if old is not None and not changed and not _is_progressing(old_status, status):
            # Complete before, and a pod is unready now: not a rollout, so no deadline runs.
            put("Progressing", "True", old.get("reason"), old.get("message"))
            return None
        reason = "NewReplicaSetCreated" if old is None else "ReplicaSetUpdated"
        put(
            "Progressing",
            "True",
            reason,
            f'Created new replica set "{name(new)}"' if old is None and new else f"{who} is progressing.",
            touch=True,
        )
        return float(deployment["spec"]["progressDeadlineSeconds"])
    if _is_progressing(old_status, status):
        put("Progressing", "True", "ReplicaSetUpdated", f"{who} is progressing.", touch=True)
        return float(deployment["spec"]["progressDeadlineSeconds"])
    if old.get("reason") == _TIMED_OUT:
        put("Progressing", "False", _TIMED_OUT, old.get("message"))
        return None
    left = deployment["spec"]["progressDeadlineSeconds"] - (now - parse_time(old["lastUpdateTime"])).total_seconds()
    if left <= 0:
        put("Progressing", "False", _TIMED_OUT, f"{who} has timed out progressing.")
        return None
    put("Progressing", "True", old.get("reason"), old.get("message"))
    return float(left) + 1.0


def unavailable_now(deployment: Obj, everything: list[Obj]) -> int:
    """How many wished replicas are not available."""
    return max(0, replicas(deployment) - sum(available(one) for one in everything))
