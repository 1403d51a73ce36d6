"""Streams to a pod: log, exec, attach, port-forward. They end at the pod's kubelet.

exec and attach pass as raw bytes, whatever protocol was upgraded to. Port-forward over WebSocket carries SPDY inside
(`SPDY/3.1+portforward.k8s.io`), which is unwrapped here (`stream_translator`).
"""

from __future__ import annotations

from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from apimachinery.errors import BadRequest, InternalError, MethodNotAllowed, ServiceUnavailable
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import AdmissionAttributes
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.kubelets import Kubelets
from apiserver.endpoints.stream_translator import TUNNEL, forward_tunnel
from apiserver.registry.store import Store
from component.upgrade_proxy import is_upgrade, proxy_upgrade

_LOG_OPTIONS = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
    "insecureSkipTLSVerifyBackend",
)
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_WEBSOCKET_LOG = ("binary.k8s.io", "base64.binary.k8s.io", "channel.k8s.io")


async def _pod(exchange: Exchange, store: Store) -> Obj:
    return await store.read(await store.find(exchange.info.namespace, exchange.info.name))


def _container(exchange: Exchange, pod: Obj) -> str:
    """Return the container that is meant; `BadRequest` when that is not clear."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    wanted = exchange.info.first("container")
    kinds = ("containers", "initContainers", "ephemeralContainers")
    if wanted:
        if not any(one.get("name") == wanted for kind in kinds for one in spec.get(kind) or []):
            raise BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    containers = [one["name"] for one in spec.get("containers") or []]
    if len(containers) == 1:
        return str(containers[0])
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in containers:
        return str(default)
    inits = [one["name"] for one in spec.get("initContainers") or []]
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    if inits:
        text += f" or one of the init containers: [{' '.join(inits)}]"
    raise BadRequest(text)


_OPTION_KINDS = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}


def _options(exchange: Exchange) -> Obj | None:
    """Return the query as the object admission sees (PodAttachOptions and its like)."""
    info = exchange.info
    kind = _OPTION_KINDS.get(info.subresource)
    if kind is None:
        return None
    options: Obj = {"kind": kind, "apiVersion": "v1"}
    options.update({flag: True for flag in ("stdin", "stdout", "stderr", "tty") if info.flag(flag)})
    if info.first("container"):
        options["container"] = info.first("container")
    if info.subresource == "exec":
        options["command"] = info.query.get("command", [])
    return options


async def _admit_connect(exchange: Exchange, store: Store) -> None:
    info = exchange.info
    attributes = AdmissionAttributes(
        operation="CONNECT",
        resource=store.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
        object=_options(exchange),
        old_object=None,
        user=exchange.user,
        warnings=exchange.warnings,
        audit=exchange.annotations,
    )
    await exchange.services.chain.mutate(attributes)
    await exchange.services.chain.validate(attributes)


def forwarded_headers(exchange: Exchange) -> CIMultiDict[str]:
    """Return the client's headers without its credentials; repeated ones stay apart, as SPDY clients need it."""
    return CIMultiDict(
        (key, value)
        for key, value in exchange.request.headers.items()
        if key.lower() not in ("authorization", "host", "accept-encoding")
        and not key.lower().startswith(("impersonate-", "x-remote-"))
    )


async def upgrade(exchange: Exchange, store: Store) -> web.StreamResponse:
    """exec, attach and portforward."""
    info = exchange.info
    if info.method not in ("GET", "POST"):
        raise MethodNotAllowed.of(store.resource, info.method.lower())
    pod = await _pod(exchange, store)
    await _admit_connect(exchange, store)
    node = pod["spec"].get("nodeName")
    if not node:
        raise BadRequest(f"pod {info.name} does not have a host assigned")
    kubelets: Kubelets = exchange.services.parts["kubelets"]
    base = f"https://{kubelets.address(node)}"
    if info.subresource == "portforward":
        ports = [("port", value) for values in info.query.get("ports", []) for value in values.split(",")]
        path, query = f"/portForward/{info.namespace}/{info.name}", ports
    else:
        container = _container(exchange, pod)
        path = f"/{info.subresource}/{info.namespace}/{info.name}/{container}"
        query = [("command", value) for value in info.query.get("command", [])]
        query += [(theirs, "1") for ours, theirs in _STREAMS.items() if info.flag(ours)]
    if not is_upgrade(exchange.request.headers):
        raise BadRequest("Upgrade request required")
    url = f"{base}{path}" + (f"?{urlencode(query)}" if query else "")
    headers = forwarded_headers(exchange)
    try:
        if info.subresource == "portforward" and TUNNEL in exchange.request.headers.get("Sec-WebSocket-Protocol", ""):
            return await forward_tunnel(exchange.request, url, headers, kubelets.tls)
        return await proxy_upgrade(exchange.request, url, headers, kubelets.tls)
    except (OSError, TimeoutError) as error:
        raise InternalError.of(f"error dialing backend: {error}") from error


async def log(exchange: Exchange, store: Store) -> web.StreamResponse:
    """GET pods/NAME/log."""
    info = exchange.info
    if info.verb != "get":
        raise MethodNotAllowed.of(store.resource, info.method.lower())
    pod = await _pod(exchange, store)
    container = _container(exchange, pod)
    node = pod["spec"].get("nodeName")
    if not node:
        return exchange.answer(b"", content_type="text/plain")
    kubelets: Kubelets = exchange.services.parts["kubelets"]
    query = [(key, info.first(key)) for key in _LOG_OPTIONS if key in info.query]
    url = f"https://{kubelets.address(node)}/containerLogs/{info.namespace}/{info.name}/{container}"
    if query:
        url += f"?{urlencode(query)}"
    try:
        async with kubelets.session.get(url, ssl=kubelets.tls) as answer:
            if answer.status >= 400:
                return await _refusal(answer)
            if is_upgrade(exchange.request.headers):
                return await _log_over_websocket(exchange, answer)
            response = web.StreamResponse(headers={**exchange.headers(), "Content-Type": "text/plain"})
            response.enable_chunked_encoding()
            await response.prepare(exchange.request)
            exchange.started()
            async for data in answer.content.iter_any():
                await response.write(data)
            await response.write_eof()
            return response
    except (TimeoutError, aiohttp.ClientError) as error:
        if isinstance(error, aiohttp.ClientConnectionError) and exchange.request.transport is None:
            raise
        raise InternalError(f'Get "{url}": {error}') from error


async def _refusal(answer: aiohttp.ClientResponse) -> web.Response:
    """Turn a kubelet's refusal into a Status."""
    text = (await answer.text()).strip()
    if answer.status == 400:
        raise BadRequest(text)
    if answer.status == 404:
        raise BadRequest(text or "the server could not find the requested resource")
    if answer.status == 503:
        raise ServiceUnavailable(text)
    raise InternalError(f"an error on the server ({text!r}) has prevented the request from succeeding")


async def _log_over_websocket(exchange: Exchange, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    import base64

    socket = web.WebSocketResponse(protocols=_WEBSOCKET_LOG, autoping=True)
    await socket.prepare(exchange.request)
    exchange.started(101)
    async for data in answer.content.iter_any():
        if socket.ws_protocol == "base64.binary.k8s.io":
            await socket.send_str(base64.b64encode(data).decode())
        else:
            await socket.send_bytes(data)
    await socket.close()
    return socket
