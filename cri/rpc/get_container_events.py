"""GetContainerEvents: a stream that never ends by itself."""

from collections.abc import AsyncIterator

from cri.parts import Parts
from protocols.cri import api_pb2


async def get_container_events(
    parts: Parts, _request: api_pb2.GetEventsRequest
) -> AsyncIterator[api_pb2.ContainerEventResponse]:
    """Answer GetContainerEvents."""
    async for event in parts.events.subscribe():
        yield event
