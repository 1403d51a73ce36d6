"""PodDisruptionBudgets: how many pods they cover, how many are healthy, how many may be evicted now.

Talks to the API server. Eviction takes disruptions from `disruptionsAllowed` and notes the pod in
`disruptedPods`; the controller counts anew once the pod's deletion is seen, or after two minutes
in which it was not deleted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.errors import APIError
from apimachinery.objects.conditions import set_condition
from apimachinery.objects.metadata import is_deleting, key, labels, name, namespace
from apimachinery.objects.owner_references import controller_of
from apimachinery.objects.pods import is_ready, is_terminal
from apimachinery.objects.selectors import from_label_selector
from apimachinery.objects.times import format_time, seconds_since
from apimachinery.resources import lookup_kind

if TYPE_CHECKING:
    import datetime

    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_BUDGETS = "poddisruptionbudgets.policy"
_DELETION_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Count:
    """What a budget comes to."""

    expected: int
    healthy: int
    desired: int
    disrupted: dict[str, str]
    next_look: float | None = None

    @property
    def allowed(self) -> int:
        """How many pods may be evicted now."""
        return max(self.healthy - self.desired, 0) if self.expected > 0 else 0


def share(value: Any, total: int) -> int:
    """A number, or a percentage of the total rounded up."""
    text = str(value)
    return math.ceil(int(text[:-1]) * total / 100) if text.endswith("%") else int(text)


def count(budget: Obj, pods: list[Obj], expected: int, now: datetime.datetime) -> Count:
    """Counts the pods of a budget.

    Args:
        budget: the budget.
        pods: the pods it selects.
        expected: how many there should be by what their controllers say.
        now: the time, for disruptions that never happened.
    """
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        desired = max(expected - share(spec["maxUnavailable"], expected), 0)
    else:
        minimum = spec.get("minAvailable", 1)
        if not str(minimum).endswith("%"):
            expected = len(pods)
        desired = share(minimum, expected)
    disrupted, next_look = {}, None
    names = {name(pod): pod for pod in pods}
    for pod_name, since in ((budget.get("status") or {}).get("disruptedPods") or {}).items():
        left = _DELETION_SECONDS - seconds_since(since, now)
        pod = names.get(pod_name)
        if pod is None or is_deleting(pod) or left <= 0:
            continue
        disrupted[pod_name] = since
        next_look = min(next_look or left, left)
    healthy = sum(
        is_ready(pod) and not is_deleting(pod) and not is_terminal(pod) and name(pod) not in disrupted for pod in pods
    )
    return Count(expected, healthy, desired, disrupted, next_look)


def status(budget: Obj, counted: Count, now: str) -> Obj:
    """The budget's status."""
    enough = counted.allowed > 0
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if enough else "False",
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
        "observedGeneration": budget["metadata"].get("generation", 1),
    }
    existing = (budget.get("status") or {}).get("conditions") or ()
    made: Obj = {
        "observedGeneration": budget["metadata"].get("generation", 1),
        "currentHealthy": counted.healthy,
        "desiredHealthy": counted.desired,
        "disruptionsAllowed": counted.allowed,
        "expectedPods": counted.expected,
        "conditions": set_condition(existing, condition, now),
    }
    if counted.disrupted:
        made["disruptedPods"] = counted.disrupted
    return made


def new(context: Context) -> Controller:
    """Wire the controller."""
    budgets = context.informers.informer(_BUDGETS)
    pods = context.informers.informer("pods")

    async def scale_of(reference: Obj, space: str) -> int | None:
        """The replicas that a pod's controller (or the controller's own) asks for."""
        try:
            resource = lookup_kind(reference["apiVersion"], reference["kind"])
            owner = await context.client.get(resource, reference["name"], space)
        except (APIError, KeyError):
            return None
        above = controller_of(owner)
        if above is not None and above.get("kind") == "Deployment":
            return await scale_of(above, space)
        replicas = (owner.get("spec") or {}).get("replicas")
        return int(replicas) if replicas is not None else None

    async def expected_of(found: list[Obj], space: str) -> int:
        references = {r["uid"]: r for pod in found if (r := controller_of(pod)) is not None}
        bare = sum(controller_of(pod) is None for pod in found)
        total = bare
        for one, reference in references.items():
            replicas = await scale_of(reference, space)
            own = sum((controller_of(pod) or {}).get("uid") == one for pod in found)
            total += replicas if replicas is not None else own
        return total

    async def reconcile(one: str) -> Result | None:
        budget = budgets.store.get_key(one)
        if budget is None or is_deleting(budget):
            return None
        space = namespace(budget)
        selector = from_label_selector(budget["spec"].get("selector"))
        found = [p for p in pods.store.list(space) if selector.matches(labels(p)) and not is_terminal(p)]
        now = context.clock.now()
        counted = count(budget, found, await expected_of(found, space), now)
        wanted = status(budget, counted, format_time(now))
        current = {field: value for field, value in (budget.get("status") or {}).items() if value not in ({}, None)}
        if wanted != current:
            # An update, not a patch: an eviction that takes a disruption meanwhile must not be overwritten.
            await context.client.update(_BUDGETS, {**budget, "status": wanted}, subresource="status")
        return Result(requeue_after=counted.next_look) if counted.next_look else None

    def budgets_of(pod: Obj) -> list[str]:
        return [
            key(budget)
            for budget in budgets.store.list(namespace(pod))
            if from_label_selector(budget["spec"].get("selector")).matches(labels(pod))
        ]

    controller = Controller("disruption-controller", reconcile, workers=1)
    controller.watch(budgets)
    controller.watch(pods, budgets_of)
    return controller
