"""The status of a DaemonSet, counted node by node (pure)."""

import datetime
from collections.abc import Mapping

from apimachinery.objects.metadata import Obj, metadata
from apimachinery.objects.pods import is_ready
from controllers.daemon_set.daemon_pods import PodsByNode, is_updated
from controllers.daemon_set.placement import Placement
from controllers.pod_availability import seconds_until_available

_ALWAYS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def count(live: Obj, pods: PodsByNode, placements: Mapping[str, Placement], digest: str, now: datetime.datetime) -> Obj:
    """The status, without collisionCount.

    Args:
        live: The DaemonSet.
        pods: Its pods by node, the oldest of a node first.
        placements: Which nodes are for it.
        digest: The hash of the present revision.
        now: The time.
    """
    wanted = [name for name, placement in placements.items() if placement.run]
    first = [pods[name][0] for name in wanted if pods.get(name)]
    least = int(live["spec"].get("minReadySeconds") or 0)
    available = sum(seconds_until_available(pod, least, now) == 0 for pod in first)
    status: Obj = {
        "observedGeneration": metadata(live).get("generation", 0),
        "desiredNumberScheduled": len(wanted),
        "currentNumberScheduled": len(first),
        "numberMisscheduled": sum(bool(pods.get(name)) and not one.run for name, one in placements.items()),
        "numberReady": sum(is_ready(pod) for pod in first),
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
        "updatedNumberScheduled": sum(is_updated(live, pod, digest) for pod in first),
    }
    conditions = (live.get("status") or {}).get("conditions")
    if conditions:
        status["conditions"] = conditions
    return {field: value for field, value in status.items() if value or field in _ALWAYS}
