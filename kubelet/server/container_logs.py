"""GET /containerLogs/{namespace}/{pod}/{container}."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web

from component.clock import Clock
from kubelet.pod_actions import all_containers
from kubelet.pod_workers import PodWorkers
from kubelet.runtime import logs
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.logs import LogQuery
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import ContainerRecord, Phase

Obj = dict[str, Any]


def find_pod(workers: PodWorkers, namespace: str, name: str, uid: str = "") -> Obj | None:
    """A pod by name, and by UID where given; a static pod answers for its mirror."""
    for pod in workers.pods():
        meta = pod["metadata"]
        if meta["namespace"] == namespace and meta["name"] == name:
            memory = workers.memory(meta["uid"])
            mirror = memory.mirror["metadata"]["uid"] if memory and memory.mirror else ""
            if not uid or uid in {meta["uid"], mirror}:
                return pod
    return None


def parse_query(query: Any, now: float) -> LogQuery:
    """Query parameters as a value.

    Raises:
        web.HTTPUnprocessableEntity: one of them is wrong.
    """
    try:
        since: float | None = None
        if query.get("sinceSeconds"):
            since = now - int(query["sinceSeconds"])
        elif query.get("sinceTime"):
            since = datetime.fromisoformat(query["sinceTime"]).timestamp()
        tail = query.get("tailLines")
        limit = query.get("limitBytes")
        chosen = LogQuery(
            follow=_true(query.get("follow")),
            tail=int(tail) if tail not in {None, "", "all"} else None,
            since=since,
            timestamps=_true(query.get("timestamps")),
            limit=int(limit) if limit else None,
            stream={"Stdout": "stdout", "Stderr": "stderr"}.get(query.get("stream") or "All", ""),
        )
    except ValueError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    if chosen.tail is not None and chosen.tail < 0:
        raise web.HTTPUnprocessableEntity(text="tailLines must not be negative")
    return chosen


def _true(value: str | None) -> bool:
    return value in {"true", "1", "t", "True", "TRUE"}


class ContainerLogs:
    """Serves logs."""

    def __init__(self, workers: PodWorkers, cache: PodCache, client: CRIClient, clock: Clock) -> None:
        self._workers = workers
        self._cache = cache
        self._client = client
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Stream the log."""
        info = request.match_info
        namespace, name, container = info["namespace"], info["pod"], info["container"]
        query = parse_query(request.query, self._clock.now().timestamp())
        pod = find_pod(self._workers, namespace, name)
        if pod is None:
            raise web.HTTPNotFound(text=f'pod "{name}" does not exist')
        if container not in {c["name"] for c, _ in all_containers(pod)}:
            raise web.HTTPNotFound(text=f'container "{container}" not found in pod "{name}"')
        record = await self._record(pod, container, previous=_true(request.query.get("previous")))
        path = record.log_path or await self._path(record)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        uid = pod["metadata"]["uid"]

        def running() -> bool:
            state = self._cache.peek(uid)
            if state is None:
                return False
            return any(c.id == record.id and c.running for c in state.containers)

        try:
            async for chunk in logs.read(path, query, running):
                await response.write(chunk)
        except (ConnectionError, OSError):
            return response
        await response.write_eof()
        return response

    async def _path(self, record: ContainerRecord) -> str:
        return str((await self._client.container_status(record.id)).log_path)

    async def _record(self, pod: Obj, container: str, *, previous: bool) -> ContainerRecord:
        meta = pod["metadata"]
        try:
            state = await self._cache.read(meta["uid"], meta["name"], meta["namespace"])
        except RuntimeServiceError as error:
            raise web.HTTPInternalServerError(text=str(error)) from error
        record = state.newest(container)
        if previous:
            if record is not None and self._waiting(meta["uid"], container) and record.exited:
                return record
            record = state.previous(container)
            if record is None:
                raise web.HTTPBadRequest(
                    text=f'previous terminated container "{container}" in pod "{meta["name"]}" not found'
                )
            return record
        if record is None or record.phase is Phase.CREATED:
            why = self._why_waiting(pod, container)
            text = f'container "{container}" in pod "{meta["name"]}" is waiting to start: {why}'
            raise web.HTTPBadRequest(text=text)
        return record

    def _why_waiting(self, pod: Obj, container: str) -> str:
        memory = self._workers.memory(pod["metadata"]["uid"])
        failure = memory.failures.get(container) if memory else None
        if failure is None:
            return "PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating"
        pulls = {"ErrImagePull", "ImagePullBackOff"}
        return "trying and failing to pull image" if failure[0] in pulls else failure[0]

    def _waiting(self, uid: str, container: str) -> bool:
        memory = self._workers.memory(uid)
        return memory is not None and container in memory.failures
