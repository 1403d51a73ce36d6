"""ImageLocality: prefer nodes that already have the pod's images."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduler.framework import MAX_NODE_SCORE, Plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "ImageLocality"
_MEBIBYTE = 1024 * 1024
_MIN_THRESHOLD = 23 * _MEBIBYTE
_MAX_CONTAINER_THRESHOLD = 1000 * _MEBIBYTE


class ImageLocality(Plugin):
    """Scores by the size of the images present, scaled by how widely they are spread."""

    name = NAME

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """For each image of the pod: on what share of all nodes it lies."""
        everywhere = snapshot.node_list()
        return {
            image: sum(image in node.images for node in everywhere) / len(everywhere)
            for image in map(_normalized, pod.images)
        }

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """Between 23 MiB (nothing worth counting) and 1000 MiB per container."""
        total: float = sum(node.images.get(image, 0) * state[image] for image in map(_normalized, pod.images))
        highest = _MAX_CONTAINER_THRESHOLD * max(len(pod.images), 1)
        clamped = min(max(total, _MIN_THRESHOLD), highest)
        return MAX_NODE_SCORE * (clamped - _MIN_THRESHOLD) // (highest - _MIN_THRESHOLD)


def _normalized(image: str) -> str:
    """Adds the default tag, as node status lists names with tags."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
