"""The ``Stream*`` calls: the answers of the plain lists in pieces, so no node outgrows the limit of one message.

Each row of ``STREAMS`` ties a streaming call to the list it repeats. A piece holds as many items as fit into
``PIECE_BYTES``; an empty list is an empty stream.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message

from cri.parts import Parts
from cri.rpc.list_container_stats import list_container_stats
from cri.rpc.list_containers import list_containers
from cri.rpc.list_images import list_images
from cri.rpc.list_pod_sandbox import list_pod_sandbox
from cri.rpc.list_pod_sandbox_metrics import list_pod_sandbox_metrics
from cri.rpc.list_pod_sandbox_stats import list_pod_sandbox_stats
from protocols.cri import api_pb2

PIECE_BYTES = 1 << 20


class ListStream(NamedTuple):
    """A streaming call: the plain list, its request, where that keeps its items, the piece and its items."""

    answer: Callable[..., Any]
    request: Callable[..., Any]
    items: str
    piece: Callable[..., Any]
    piece_items: str


STREAMS: dict[str, ListStream] = {
    "StreamPodSandboxes": ListStream(
        list_pod_sandbox,
        api_pb2.ListPodSandboxRequest,
        "items",
        api_pb2.StreamPodSandboxesResponse,
        "pod_sandboxes",
    ),
    "StreamContainers": ListStream(
        list_containers,
        api_pb2.ListContainersRequest,
        "containers",
        api_pb2.StreamContainersResponse,
        "containers",
    ),
    "StreamContainerStats": ListStream(
        list_container_stats,
        api_pb2.ListContainerStatsRequest,
        "stats",
        api_pb2.StreamContainerStatsResponse,
        "container_stats",
    ),
    "StreamPodSandboxStats": ListStream(
        list_pod_sandbox_stats,
        api_pb2.ListPodSandboxStatsRequest,
        "stats",
        api_pb2.StreamPodSandboxStatsResponse,
        "pod_sandbox_stats",
    ),
    "StreamPodSandboxMetrics": ListStream(
        list_pod_sandbox_metrics,
        api_pb2.ListPodSandboxMetricsRequest,
        "pod_metrics",
        api_pb2.StreamPodSandboxMetricsResponse,
        "pod_sandbox_metrics",
    ),
    "StreamImages": ListStream(
        list_images,
        api_pb2.ListImagesRequest,
        "images",
        api_pb2.StreamImagesResponse,
        "images",
    ),
}


def function(name: str) -> Callable[[Parts, Any], AsyncIterator[Any]]:
    """The function that answers the streaming call ``name``."""
    row = STREAMS[name]

    async def stream(parts: Parts, request: Any) -> AsyncIterator[Any]:
        same = row.request.FromString(request.SerializeToString())  # type: ignore[attr-defined]
        result = row.answer(parts, same)
        response = await result if inspect.isawaitable(result) else result
        for items in pieces(getattr(response, row.items), PIECE_BYTES):
            yield row.piece(**{row.piece_items: items})

    return stream


def pieces(items: Sequence[Message], limit: int) -> Iterator[list[Message]]:
    """Cut a list so that each piece's items have at most ``limit`` bytes, or are a single one."""
    piece: list[Message] = []
    size = 0
    for item in items:
        more = item.ByteSize()
        if piece and size + more > limit:
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += more
    if piece:
        yield piece
