"""Recording Events about objects: fire and forget, repeats counted up instead of written anew.

Writes core/v1 Events, as upstream's components do. A queue and one task do the writing; when the server is away, events
wait, and the oldest are dropped when too many wait.
"""

import asyncio
from collections import OrderedDict, deque

from apimachinery import errors
from apimachinery.client.writer import Writer
from apimachinery.objects.metadata import Obj, metadata, name, namespace, uid
from apimachinery.objects.times import format_time
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger("events")
_MOST_WAITING = 1000
_MOST_REMEMBERED = 4096
_LONGEST_MESSAGE = 1024
_RETRIES = 5
_REPEAT_SECONDS = 600.0


class EventRecorder:
    """Records events of one component.

    Args:
        client: The API.
        component: `source.component`, as `kubelet` or `default-scheduler`.
        host: `source.host`, or an empty string.
    """

    def __init__(self, client: Writer, component: str, host: str = "", clock: Clock | None = None) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock or Clock()
        self._waiting: deque[Obj] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self._seen: OrderedDict[tuple[str, ...], tuple[Obj, float]] = OrderedDict()

    def event(self, obj: Obj, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record an event.

        Args:
            obj: What it is about (apiVersion, kind and metadata are read).
            kind: `Normal` or `Warning`.
            reason: A CamelCase word.
            message: For people; cut at 1,024 characters.
            field_path: The part of the object, as `spec.containers{main}`.
        """
        involved = {
            "kind": obj.get("kind", ""),
            "namespace": namespace(obj),
            "name": name(obj),
            "uid": uid(obj),
            "apiVersion": obj.get("apiVersion", ""),
            "resourceVersion": metadata(obj).get("resourceVersion", ""),
        }
        if field_path:
            involved["fieldPath"] = field_path
        self._waiting.append(
            {
                "involvedObject": {key: value for key, value in involved.items() if value},
                "type": kind,
                "reason": reason,
                "message": message[:_LONGEST_MESSAGE],
                "at": self._clock.now(),
            }
        )
        self._wake.set()

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write(self._waiting.popleft())

    async def flush(self) -> None:
        """Write what waits now (at the end of a program)."""
        while self._waiting:
            await self._write(self._waiting.popleft())

    async def _write(self, record: Obj) -> None:
        for attempt in range(_RETRIES):
            try:
                await self._record(record)
            except (errors.NotFound, errors.Forbidden, errors.Invalid, errors.BadRequest) as error:
                # A namespace that is going away takes no events; nothing to tell anybody.
                _LOG.debug("Event refused", reason=record["reason"], why=error)
            except errors.APIError:
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            return

    async def _record(self, record: Obj) -> None:
        involved = record["involvedObject"]
        identity = (
            involved.get("uid", ""),
            involved.get("name", ""),
            involved.get("fieldPath", ""),
            record["type"],
            record["reason"],
            record["message"],
        )
        now = format_time(record["at"])
        space = involved.get("namespace") or "default"
        seen = self._seen.get(identity)
        if seen is not None and self._clock.monotonic() - seen[1] < _REPEAT_SECONDS:
            known = seen[0]
            count = int(known.get("count") or 1) + 1
            try:
                written = await self._client.patch("events", name(known), {"count": count, "lastTimestamp": now}, space)
            except errors.NotFound:
                self._seen.pop(identity, None)
            else:
                self._remember(identity, written)
                return
        unique = f"{involved.get('name', '')}.{int(record['at'].timestamp() * 1e9):x}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": unique, "namespace": space},
            "involvedObject": involved,
            "reason": record["reason"],
            "message": record["message"],
            "type": record["type"],
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        self._remember(identity, await self._client.create("events", event, space))

    def _remember(self, identity: tuple[str, ...], written: Obj) -> None:
        kept = {"metadata": {"name": name(written)}, "count": written.get("count")}
        self._seen[identity] = (kept, self._clock.monotonic())
        self._seen.move_to_end(identity)
        while len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
