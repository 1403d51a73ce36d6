"""Preemption: which pods of lower priority must go so that a pod fits.

Pure. Upstream's order of choice between nodes: fewest violated disruption budgets,
then the lowest top priority among the victims, the lowest sum of priorities, the
fewest victims, and the latest start of the most important victim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apimachinery.objects import selectors
from scheduler.cycle import Diagnosis, pre_filter, run_filters
from scheduler.framework import Rejection

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.profile import Profile
    from scheduler.snapshot import Snapshot

PLUGIN = "DefaultPreemption"
_NOT_HELPFUL = Rejection(PLUGIN, ("Preemption is not helpful for scheduling",))
_NO_VICTIMS = Rejection(PLUGIN, ("No preemption victims found for incoming pod",))
_MAX_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and the pods that must leave it, most important first."""

    node_name: str
    victims: tuple[PodInfo, ...]
    violations: int


@dataclass(frozen=True, slots=True)
class Preemption:
    """A candidate to carry out, or the sentence for the event why there is none."""

    candidate: Candidate | None = None
    message: str = ""


def preempt(profile: Profile, pod: PodInfo, snapshot: Snapshot, diagnosis: Diagnosis) -> Preemption:
    """Looks for the node whose victims cost least."""
    if reason := _ineligible(pod, snapshot):
        return Preemption(message=f"preemption: {reason}")
    failures = Diagnosis(diagnosis.node_count)
    candidates: list[Candidate] = []
    for node in snapshot.node_list():
        rejection = diagnosis.rejections.get(node.name)
        if rejection is None or not rejection.resolvable:
            failures.rejections[node.name] = _NOT_HELPFUL
            continue
        candidate = _victims_on(profile, pod, node, snapshot)
        if candidate is None:
            failures.rejections[node.name] = _NO_VICTIMS
        else:
            candidates.append(candidate)
    if candidates:
        return Preemption(candidate=choose(candidates))
    return Preemption(message=f"preemption: {failures.message}")


def choose(candidates: list[Candidate]) -> Candidate:
    """The candidate that hurts least."""
    return min(candidates, key=_cost)


def _cost(candidate: Candidate) -> tuple[int, int, int, int, tuple[int, ...]]:
    priorities = [victim.priority for victim in candidate.victims]
    top = max(priorities, default=-_MAX_INT32)
    earliest = min((v.started for v in candidate.victims if v.priority == top), default="")
    # Priorities may be negative; lifting them keeps many victims dearer than few.
    total = sum(priority + _MAX_INT32 + 1 for priority in priorities)
    later_is_better = tuple(-ord(letter) for letter in earliest)
    return (candidate.violations, top, total, len(priorities), later_is_better)


def _ineligible(pod: PodInfo, snapshot: Snapshot) -> str:
    if pod.spec.get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    node = snapshot.nodes.get(pod.nominated_node)
    if node is not None and any(
        other.terminating and other.priority < pod.priority and _is_preempted(other) for other in node.pods.values()
    ):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def _is_preempted(pod: PodInfo) -> bool:
    conditions = pod.obj.get("status", {}).get("conditions") or ()
    return any(c.get("type") == "DisruptionTarget" and c.get("reason") == "PreemptionByScheduler" for c in conditions)


def _importance(pod: PodInfo) -> tuple[int, str]:
    """Sort key, most important first: priority, then who runs longer."""
    return (-pod.priority, pod.started)


def _victims_on(profile: Profile, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Candidate | None:
    """Takes all lower pods away, then puts back as many as fit, budget-protected ones first."""
    trial = node.clone()
    lower = [other for other in node.pods.values() if other.priority < pod.priority]
    if not lower:
        return None
    for other in lower:
        trial.remove_pod(other.uid)
    if not _fits(profile, pod, trial, snapshot):
        return None
    lower.sort(key=_importance)
    violating, harmless = _split_by_budgets(lower, list(snapshot.list("poddisruptionbudgets")))
    victims: list[PodInfo] = []
    violations = 0
    for group, violates in ((violating, True), (harmless, False)):
        for other in group:
            trial.add_pod(other)
            if not _fits(profile, pod, trial, snapshot):
                trial.remove_pod(other.uid)
                victims.append(other)
                violations += violates
    if not victims:
        return None
    victims.sort(key=_importance)
    return Candidate(node.name, tuple(victims), violations)


def _fits(profile: Profile, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> bool:
    crowded = node
    promised = snapshot.nominated_before(node.name, pod)
    if promised:
        crowded = node.clone()
        for other in promised:
            crowded.add_pod(other)
    view = snapshot.with_node(crowded)
    run = pre_filter(profile, pod, view)
    return not isinstance(run, Rejection) and run_filters(run, pod, crowded, view) is None


def _split_by_budgets(pods: list[PodInfo], budgets: list[Obj]) -> tuple[list[PodInfo], list[PodInfo]]:
    """Pods whose eviction would break a PodDisruptionBudget, and the others."""
    left = {
        (b["metadata"]["namespace"], b["metadata"]["name"]): int((b.get("status") or {}).get("disruptionsAllowed") or 0)
        for b in budgets
    }
    violating: list[PodInfo] = []
    harmless: list[PodInfo] = []
    for pod in pods:
        broken = False
        for budget in budgets:
            if not _covers(budget, pod):
                continue
            key = (budget["metadata"]["namespace"], budget["metadata"]["name"])
            left[key] -= 1
            broken = broken or left[key] < 0
        (violating if broken else harmless).append(pod)
    return violating, harmless


def _covers(budget: Obj, pod: PodInfo) -> bool:
    if budget["metadata"]["namespace"] != pod.namespace or not pod.labels:
        return False
    selector = (budget.get("spec") or {}).get("selector")
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return False
    disrupted = (budget.get("status") or {}).get("disruptedPods") or {}
    return pod.name not in disrupted and selectors.from_label_selector(selector).matches(pod.labels)
