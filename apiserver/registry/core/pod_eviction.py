"""Eviction: a deletion that asks the PodDisruptionBudgets first."""

from __future__ import annotations

from apimachinery.errors import Conflict, InternalError, TooManyRequests
from apimachinery.objects.metadata import Obj
from apimachinery.objects.pods import is_ready
from apimachinery.objects.selectors import from_label_selector
from apiserver.registry.core.pod_binding import NO_ADMISSION
from apiserver.registry.graceful_delete import check_preconditions
from apiserver.registry.registry import Registry
from apiserver.registry.store import Admit
from apiserver.registry.strategy import Call

_ATTEMPTS = 5


def _needs_budget(pod: Obj) -> bool:
    """Tell whether losing the pod can hurt anybody: one that is over, waiting or going already can't."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed", "Pending") and not pod["metadata"].get("deletionTimestamp")


def _budgets(registry: Registry, pod: Obj) -> list[Obj]:
    labels = pod["metadata"].get("labels") or {}
    found = []
    for budget in registry.lister("poddisruptionbudgets.policy").list(pod["metadata"]["namespace"]):
        selector = (budget.get("spec") or {}).get("selector")
        if selector is not None and from_label_selector(selector).matches(labels):
            found.append(budget)
    return found


def _too_many(budget: Obj, message: str) -> TooManyRequests:
    name = budget["metadata"]["name"]
    status = budget.get("status") or {}
    cause = message or (
        f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods and has "
        f"{status.get('currentHealthy', 0)} currently"
    )
    return TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        details={"causes": [{"reason": "DisruptionBudget", "message": cause}]},
    )


def _ignores_budget(budget: Obj, pod: Obj) -> bool:
    """Tell whether an unready pod may go regardless (spec.unhealthyPodEvictionPolicy, KEP-3017)."""
    if is_ready(pod):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(healthy >= desired > 0)


async def _take_disruption(registry: Registry, budget: Obj, pod: Obj, call: Call) -> None:
    """Count the disruption in the budget's status, or refuse."""
    store = registry.store("poddisruptionbudgets.policy")
    name = pod["metadata"]["name"]

    async def change(current: Obj | None) -> Obj:
        assert current is not None
        status = current.setdefault("status", {})
        if (status.get("observedGeneration") or 0) < (current["metadata"].get("generation") or 0):
            message = f"The disruption budget {current['metadata']['name']} is still being processed by the server."
            raise _too_many(current, message)
        if (status.get("disruptionsAllowed") or 0) <= 0:
            raise _too_many(current, "")
        status["disruptionsAllowed"] -= 1
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), name: call.now}
        current["metadata"].pop("resourceVersion", None)
        return current

    one = Call(store.resource, call.namespace, budget["metadata"]["name"], user=call.user, subresource="status")
    one.manager, one.now, one.dry_run = "kube-apiserver", call.now, call.dry_run
    await store.update(one, change, NO_ADMISSION)


async def evict(registry: Registry, eviction: Obj, call: Call, admit: Admit) -> None:
    """Delete a pod if its budgets allow; `TooManyRequests` when they don't."""
    pods = registry.store("pods")
    options = eviction.get("deleteOptions") or {}
    for _ in range(_ATTEMPTS):
        pod = await pods.read(await pods.find(call.namespace, call.name))
        check_preconditions(pods.resource, call.name, pod["metadata"], options)
        if _needs_budget(pod):
            budgets = _budgets(registry, pod)
            if len(budgets) > 1:
                raise InternalError(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
                )
            if budgets and not _ignores_budget(budgets[0], pod):
                await _take_disruption(registry, budgets[0], pod, call)
        if not call.dry_run:
            await _mark(registry, call)
        deletion = Call(pods.resource, call.namespace, call.name, user=call.user, now=call.now, options=dict(options))
        deletion.dry_run = call.dry_run
        deletion.options.setdefault("preconditions", {"uid": pod["metadata"]["uid"]})
        try:
            await pods.delete(deletion, admit)
            return
        except Conflict:
            continue
    raise Conflict.modified(pods.resource, call.name)


async def _mark(registry: Registry, call: Call) -> None:
    """Tell the reason in the pod's conditions before it goes (KEP-3329)."""
    pods = registry.store("pods")

    async def change(pod: Obj | None) -> Obj:
        assert pod is not None
        pod["metadata"].pop("resourceVersion", None)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
            "lastTransitionTime": call.now,
        }
        status = pod.setdefault("status", {})
        others = [one for one in status.get("conditions") or [] if one.get("type") != "DisruptionTarget"]
        status["conditions"] = [*others, condition]
        return pod

    one = Call(pods.resource, call.namespace, call.name, user=call.user, subresource="status", now=call.now)
    one.manager = "kube-apiserver"
    await pods.update(one, change, NO_ADMISSION)
