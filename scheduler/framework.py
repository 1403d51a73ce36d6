"""What a scheduling plugin is: the points it may hook into, and what it may answer.

Upstream's name for this is the scheduling framework. A plugin is a small object
without I/O: it reads a pod and a snapshot and answers with a state, a
`Rejection` or a score. Plugins never see each other, the clock or the network.
"""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

MAX_NODE_SCORE = 100


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a plugin turns a pod away from one node, or from all of them.

    Attributes:
        plugin: name of the plugin that said no; its wake-up hints apply later.
        reasons: upstream's wording, counted per node in the event's message.
        resolvable: whether evicting other pods could change the answer.
    """

    plugin: str
    reasons: tuple[str, ...]
    resolvable: bool = True


class Skip:
    """Answer of `pre_filter` or `pre_score`: this plugin has no opinion on this pod."""


SKIP = Skip()


class Plugin:
    """Every extension point, doing nothing; a plugin overrides those it needs.

    The state that `pre_filter` and `pre_score` return is handed back to `filter`
    and `score` of the same cycle and to nobody else.
    """

    name: ClassVar[str] = ""

    def pre_enqueue(self, pod: PodInfo) -> Rejection | None:
        """May the pod enter the active queue at all?"""

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Work done once per pod: a state for `filter`, `SKIP`, or a `Rejection` from all nodes."""

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Can this node run the pod?"""

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """Work done once before scoring the feasible nodes: a state, or `SKIP`."""

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """How well does the node suit? Any number; `normalize` brings it to 0..100."""
        return 0

    def normalize(self, state: Any, scores: list[float]) -> list[float]:
        """Brings the scores of all feasible nodes into 0..100."""
        return scores

    def overrides(self, point: str) -> bool:
        """Whether this plugin implements the named extension point."""
        return getattr(type(self), point) is not getattr(Plugin, point)


def normalize_to_maximum(scores: list[float], *, reverse: bool = False) -> list[float]:
    """Scales scores so that the biggest becomes 100, and turns them round if asked."""
    biggest = max(scores, default=0)
    if biggest == 0:
        return [float(MAX_NODE_SCORE)] * len(scores) if reverse else scores
    scaled = [MAX_NODE_SCORE * score // biggest for score in scores]
    return [MAX_NODE_SCORE - score for score in scaled] if reverse else scaled
