"""ListPodSandbox."""

from collections.abc import Mapping

from cri.parts import Parts
from cri.store import Sandbox
from protocols.cri import api_pb2


def matches_labels(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    """Whether every pair of the selector is among the labels."""
    return all(labels.get(key) == value for key, value in selector.items())


def select(parts: Parts, wanted: api_pb2.PodSandboxFilter) -> list[Sandbox]:
    """Sandboxes that pass every part of a filter."""
    return [
        s
        for s in parts.store.sandboxes
        if s.complete
        and s.id.startswith(wanted.id)
        and (not wanted.HasField("state") or s.state == wanted.state.state)
        and matches_labels(s.config.labels, wanted.label_selector)
    ]


def list_pod_sandbox(parts: Parts, request: api_pb2.ListPodSandboxRequest) -> api_pb2.ListPodSandboxResponse:
    """Answer ListPodSandbox, the newest first."""
    found = sorted(select(parts, request.filter), key=lambda s: s.created_at, reverse=True)
    return api_pb2.ListPodSandboxResponse(
        items=[
            api_pb2.PodSandbox(
                id=s.id,
                metadata=s.config.metadata,
                state=s.state,
                created_at=s.created_at,
                labels=s.config.labels,
                annotations=s.config.annotations,
                runtime_handler=s.runtime_handler,
            )
            for s in found
        ]
    )
