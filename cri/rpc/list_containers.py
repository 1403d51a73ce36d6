"""ListContainers."""

from cri.parts import Parts
from cri.rpc.container_status import image_spec
from cri.rpc.list_pod_sandbox import matches_labels
from cri.store import Container
from protocols.cri import api_pb2


def select(
    parts: Parts, container_id: str, sandbox_id: str, labels: dict[str, str], state: int | None = None
) -> list[Container]:
    """Containers that pass every part of a filter; ids may be abbreviated."""
    return [
        c
        for c in parts.store.containers
        if c.complete
        and c.id.startswith(container_id)
        and c.sandbox_id.startswith(sandbox_id)
        and (state is None or c.state == state)
        and matches_labels(c.config.labels, labels)
    ]


def list_containers(parts: Parts, request: api_pb2.ListContainersRequest) -> api_pb2.ListContainersResponse:
    """Answer ListContainers, the newest first."""
    wanted = request.filter
    state = wanted.state.state if wanted.HasField("state") else None
    found = select(parts, wanted.id, wanted.pod_sandbox_id, dict(wanted.label_selector), state)
    found.sort(key=lambda c: c.created_at, reverse=True)
    return api_pb2.ListContainersResponse(
        containers=[
            api_pb2.Container(
                id=c.id,
                pod_sandbox_id=c.sandbox_id,
                metadata=c.config.metadata,
                image=image_spec(c),
                image_ref=c.image_ref,
                image_id=c.image_id,
                state=c.state,
                created_at=c.created_at,
                labels=c.config.labels,
                annotations=c.config.annotations,
            )
            for c in found
        ]
    )
