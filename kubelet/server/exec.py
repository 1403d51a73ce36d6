"""/exec, /attach, /portForward: get a streaming URL from the runtime and pass the upgraded connection through; /run
answers at once.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from component.upgrade_proxy import proxy_upgrade
from kubelet.pod_workers import PodWorkers
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import PodState
from kubelet.server.container_logs import find_pod
from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]


def _flag(request: web.Request, *names: str) -> bool:
    return any(request.query.get(name) in {"1", "true", "True"} for name in names)


class Streams:
    """Serves the streaming endpoints."""

    def __init__(self, workers: PodWorkers, cache: PodCache, client: CRIClient) -> None:
        self._workers = workers
        self._cache = cache
        self._client = client

    async def exec(self, request: web.Request) -> web.StreamResponse:
        """Run a command in a container."""
        container = await self._container(request)
        tty = _flag(request, "tty")
        message = pb.ExecRequest(
            container_id=container,
            cmd=request.query.getall("command", []),
            tty=tty,
            stdin=_flag(request, "input", "stdin"),
            stdout=_flag(request, "output", "stdout"),
            stderr=_flag(request, "error", "stderr") and not tty,
        )
        return await self._pass(request, await self._url(self._client.exec_url(message)))

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Join a container's standard streams."""
        container = await self._container(request)
        tty = _flag(request, "tty")
        message = pb.AttachRequest(
            container_id=container,
            tty=tty,
            stdin=_flag(request, "input", "stdin"),
            stdout=_flag(request, "output", "stdout"),
            stderr=_flag(request, "error", "stderr") and not tty,
        )
        return await self._pass(request, await self._url(self._client.attach_url(message)))

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        """Forward ports of a pod."""
        state = await self._state(request)
        sandbox = state.ready_sandbox
        if sandbox is None:
            raise web.HTTPNotFound(text=f"sandbox of pod {request.match_info['pod']} not found")
        ports = [int(p) for value in request.query.getall("port", []) for p in value.split(",") if p.isdigit()]
        message = pb.PortForwardRequest(pod_sandbox_id=sandbox.id, port=ports)
        return await self._pass(request, await self._url(self._client.port_forward_url(message)))

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Run a command and answer with its output."""
        container = await self._container(request)
        command = request.query.get("cmd", "").split()
        try:
            code, out, err = await self._client.exec_sync(container, command, 0)
        except RuntimeServiceError as error:
            raise web.HTTPInternalServerError(text=str(error)) from error
        return web.Response(status=200 if code == 0 else 500, body=out + err)

    async def _state(self, request: web.Request) -> PodState:
        info = request.match_info
        pod = find_pod(self._workers, info["namespace"], info["pod"], info.get("uid", ""))
        if pod is None:
            raise web.HTTPNotFound(text="pod does not exist")
        meta = pod["metadata"]
        return await self._cache.read(meta["uid"], meta["name"], meta["namespace"])

    async def _container(self, request: web.Request) -> str:
        name = request.match_info["container"]
        record = (await self._state(request)).newest(name)
        if record is None:
            raise web.HTTPNotFound(text=f'container not found ("{name}")')
        if not record.running:
            raise web.HTTPInternalServerError(text=f"container {name} is not running")
        return record.id

    @staticmethod
    async def _url(call: Any) -> str:
        try:
            return str(await call)
        except RuntimeServiceError as error:
            raise web.HTTPInternalServerError(text=error.message) from error

    @staticmethod
    async def _pass(request: web.Request, url: str) -> web.StreamResponse:
        if request.headers.get("Upgrade") is None:
            raise web.HTTPBadRequest(text="you must specify an upgrade")
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() != "authorization")
        try:
            return await proxy_upgrade(request, url, headers)
        except (OSError, TimeoutError) as error:
            raise web.HTTPBadGateway(text=f"error dialing the runtime: {error}") from error
