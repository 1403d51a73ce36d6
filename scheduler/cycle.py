"""The scheduling cycle: one pod, one snapshot, one decision.

Pure. `schedule` runs the profile's filters over the nodes, scores those that pass
and answers with a node or with a diagnosis; `Diagnosis.message` words it as
upstream's FailedScheduling event does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scheduler.framework import SKIP, Rejection

if TYPE_CHECKING:
    from scheduler.framework import Plugin
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.profile import Profile
    from scheduler.snapshot import Snapshot

NO_NODES = "no nodes available to schedule pods"

# Above this many nodes not all are tried (upstream: minFeasibleNodesToFind and the adaptive percentage).
MIN_NODES_TO_FIND = 100
_MIN_PERCENTAGE = 5


@dataclass(slots=True)
class Diagnosis:
    """Why no node took the pod."""

    node_count: int
    rejections: dict[str, Rejection] = field(default_factory=dict)
    pre_filter: Rejection | None = None
    post_filter_message: str = ""

    @property
    def plugins(self) -> frozenset[str]:
        """Names of the plugins that said no; an event only they care about can wake the pod."""
        names = {rejection.plugin for rejection in self.rejections.values()}
        if self.pre_filter is not None:
            names.add(self.pre_filter.plugin)
        return frozenset(names)

    @property
    def message(self) -> str:
        """The FailedScheduling message."""
        if self.node_count == 0:
            return NO_NODES
        text = f"0/{self.node_count} nodes are available:"
        if self.pre_filter is not None:
            text += f" {', '.join(self.pre_filter.reasons)}."
        else:
            counts = Counter(reason for rejection in self.rejections.values() for reason in rejection.reasons)
            reasons = sorted(f"{count} {reason}" for reason, count in counts.items())
            if reasons:
                text += f" {', '.join(reasons)}."
        return f"{text} {self.post_filter_message}" if self.post_filter_message else text


@dataclass(frozen=True, slots=True)
class Decision:
    """A node, or why there is none."""

    node_name: str = ""
    diagnosis: Diagnosis | None = None
    evaluated: int = 0


FilterRun = list[tuple["Plugin", Any]]


def pre_filter(profile: Profile, pod: PodInfo, snapshot: Snapshot) -> FilterRun | Rejection:
    """Runs the once-per-pod part; plugins that skip are left out of the filters."""
    run: FilterRun = []
    for plugin in profile.filters:
        state = plugin.pre_filter(pod, snapshot)
        if isinstance(state, Rejection):
            return state
        if state is not SKIP:
            run.append((plugin, state))
    return run


def run_filters(run: FilterRun, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
    """The first plugin that turns the pod away from the node."""
    for plugin, state in run:
        rejection = plugin.filter(state, pod, node, snapshot)
        if rejection is not None:
            return rejection
    return None


def filter_node(profile: Profile, run: FilterRun, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
    """Tries a node, also with the pods that were promised it by preemption.

    Both runs must pass: promised pods may satisfy an affinity, but may also never come.
    """
    promised = snapshot.nominated_before(node.name, pod)
    if promised:
        crowded = node.clone()
        for other in promised:
            crowded.add_pod(other)
        view = snapshot.with_node(crowded)
        crowded_run = pre_filter(profile, pod, view)
        if isinstance(crowded_run, Rejection):
            return crowded_run
        rejection = run_filters(crowded_run, pod, crowded, view)
        if rejection is not None:
            return rejection
    return run_filters(run, pod, node, snapshot)


def schedule(profile: Profile, pod: PodInfo, snapshot: Snapshot, rotation: int = 0) -> Decision:
    """Decides where a pod goes.

    Args:
        profile: the plugins that the pod's schedulerName stands for.
        pod: the pod.
        snapshot: the cluster.
        rotation: a running number; big clusters are tried from a different node each time,
            and equal scores are broken by it.
    """
    nodes = snapshot.node_list()
    diagnosis = Diagnosis(len(nodes))
    if not nodes:
        return Decision(diagnosis=diagnosis)
    run = pre_filter(profile, pod, snapshot)
    if isinstance(run, Rejection):
        diagnosis.pre_filter = run
        diagnosis.rejections = dict.fromkeys((node.name for node in nodes), run)
        return Decision(diagnosis=diagnosis)
    feasible, evaluated = _feasible_nodes(profile, run, pod, nodes, snapshot, diagnosis, rotation)
    if not feasible:
        return Decision(diagnosis=diagnosis, evaluated=evaluated)
    if len(feasible) == 1:
        return Decision(feasible[0].name, evaluated=evaluated)
    return Decision(_best(profile, pod, feasible, snapshot, rotation), evaluated=evaluated)


def nodes_to_find(count: int, percentage: int = 0) -> int:
    """How many feasible nodes are enough to choose from."""
    if count < MIN_NODES_TO_FIND:
        return count
    if percentage <= 0:
        percentage = max(50 - count // 125, _MIN_PERCENTAGE)
    return max(count * percentage // 100, MIN_NODES_TO_FIND)


def _feasible_nodes(
    profile: Profile,
    run: FilterRun,
    pod: PodInfo,
    nodes: list[NodeInfo],
    snapshot: Snapshot,
    diagnosis: Diagnosis,
    rotation: int,
) -> tuple[list[NodeInfo], int]:
    nominated = snapshot.nodes.get(pod.nominated_node)
    # The promised node is tried first, and is enough if it fits.
    if (
        nominated is not None
        and nominated.obj is not None
        and filter_node(profile, run, pod, nominated, snapshot) is None
    ):
        return [nominated], 1
    wanted = nodes_to_find(len(nodes), profile.percentage_of_nodes_to_score)
    start = rotation % len(nodes) if wanted < len(nodes) else 0
    feasible: list[NodeInfo] = []
    evaluated = 0
    for index in range(len(nodes)):
        node = nodes[(start + index) % len(nodes)]
        evaluated += 1
        rejection = filter_node(profile, run, pod, node, snapshot)
        if rejection is None:
            feasible.append(node)
            if len(feasible) >= wanted:
                break
        else:
            diagnosis.rejections[node.name] = rejection
    return feasible, evaluated


def score_nodes(profile: Profile, pod: PodInfo, nodes: list[NodeInfo], snapshot: Snapshot) -> list[float]:
    """The weighted sum of all plugins' normalized scores, per node."""
    totals = [0.0] * len(nodes)
    for plugin, weight in profile.scorers:
        state = plugin.pre_score(pod, nodes, snapshot)
        if state is SKIP:
            continue
        scores = plugin.normalize(state, [plugin.score(state, pod, node) for node in nodes])
        for index, score in enumerate(scores):
            totals[index] += weight * score
    return totals


def _best(profile: Profile, pod: PodInfo, nodes: list[NodeInfo], snapshot: Snapshot, rotation: int) -> str:
    totals = score_nodes(profile, pod, nodes, snapshot)
    highest = max(totals)
    winners = [node for node, total in zip(nodes, totals, strict=True) if total == highest]
    return winners[rotation % len(winners)].name
