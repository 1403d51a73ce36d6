"""Container events to whoever listens (the kubelet's fast path instead of polling).

Each subscriber has a bounded queue. One that does not keep up is cut off, so that its stream ends with an error and it
takes stock anew, rather than silently missing an exit.
"""

import asyncio
from collections.abc import AsyncIterator

from cri import errors
from protocols.cri import api_pb2

CREATED = api_pb2.CONTAINER_CREATED_EVENT
STARTED = api_pb2.CONTAINER_STARTED_EVENT
STOPPED = api_pb2.CONTAINER_STOPPED_EVENT
DELETED = api_pb2.CONTAINER_DELETED_EVENT
_BACKLOG = 2000


class Events:
    """A broadcast of events."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._subscribers: set[asyncio.Queue[api_pb2.ContainerEventResponse | None]] = set()
        self._closed = False

    def close(self) -> None:
        """End every subscription, so that the server need not wait for streams that never end."""
        self._closed = True
        for queue in self._subscribers:
            queue.put_nowait(None)

    @property
    def heard(self) -> bool:
        """Whether anybody listens; else an event need not be built."""
        return bool(self._subscribers)

    def publish(self, event: api_pb2.ContainerEventResponse) -> None:
        """Hand an event to every subscriber."""
        for queue in list(self._subscribers):
            if queue.qsize() >= _BACKLOG:
                self._subscribers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    async def subscribe(self) -> AsyncIterator[api_pb2.ContainerEventResponse]:
        """Events from now on, for ever.

        Raises:
            ResourceExhausted: the subscriber was too slow.
        """
        queue: asyncio.Queue[api_pb2.ContainerEventResponse | None] = asyncio.Queue()
        self._subscribers.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
            if self._closed:
                return
            raise errors.ResourceExhausted("the event subscriber did not keep up")
        finally:
            self._subscribers.discard(queue)
