"""What every request passes, in order: parse, authenticate, impersonate, authorize, bound, answer, count.

One coroutine instead of nested ones: a GET costs what its steps cost. Nothing a client sends gets past `error_answer`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from aiohttp import web

from apimachinery.errors import APIError, MethodNotAllowed, Unauthorized
from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.selectors import (
    FieldRequirement,
    Requirement,
    SelectorError,
    parse_field_selector,
)
from apiserver.authentication.impersonation import requested_user
from apiserver.authentication.registry import Authenticator, RequestCredentials
from apiserver.authentication.request_headers import readable
from apiserver.authentication.user import UserInfo
from apiserver.authorization.registry import AuthorizationAttributes, forbidden
from apiserver.endpoints.exchange import Exchange, Services
from apiserver.endpoints.negotiation import JSON, negotiate
from apiserver.endpoints.routes import dispatch, is_long_running
from apiserver.filters.audit import open_audit
from apiserver.filters.deadline import request_seconds
from apiserver.filters.delivery import LARGE, compress, deliver
from apiserver.filters.errors import error_answer
from apiserver.filters.flow_control import FlowControl
from apiserver.filters.request_info import RequestInfo, parse
from apiserver.metrics import Metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MOST_AUDIT_ID = 64
_SELECTING = frozenset({"list", "watch", "deletecollection"})
NonResource = Callable[[Exchange], Awaitable[web.StreamResponse | None]]


class FilterChain:
    """The handler of every request."""

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        metrics: Metrics,
        non_resource: NonResource,
        aggregator: Any,
        flow: FlowControl,
    ) -> None:
        self._services = services
        self._authenticator = authenticator
        self._metrics = metrics
        self._writes: set[asyncio.Task[web.StreamResponse]] = set()
        self._non_resource = non_resource
        self._aggregator = aggregator
        options = services.options
        self._flow = flow
        self._timeout = options.request_timeout
        self.audit = open_audit(options, services.clock)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        started = time.perf_counter()
        received = self.audit.now() if self.audit is not None else ""
        info = parse(request.method, request.raw_path)
        audit_id = readable(request.headers.get("Audit-ID", ""))[:_MOST_AUDIT_ID] or str(uuid.uuid4())
        exchange = Exchange(request, info, self._services, JSON, audit_id=audit_id)
        panicked = False
        try:
            response = await self._answer(exchange, received)
        except asyncio.CancelledError:
            raise
        except ConnectionError:
            return web.Response(status=499)
        except BaseException as error:  # noqa: BLE001 - a client must get an answer, whatever happens
            response = error_answer(error, info.path, exchange.headers(), exchange.warnings)
            panicked = response.status == 500 and not isinstance(error, APIError)
        if type(response) is web.Response and type(response.body) is bytes and len(response.body) >= LARGE:
            if exchange.wants_gzip():
                await compress(response)
            response = await deliver(request, response, self._timeout)
        self._count(info, response.status, time.perf_counter() - started)
        if self.audit is not None:
            self._record(exchange, response, received, panicked=panicked)
        if request.method == "HEAD" and isinstance(response, web.Response) and not response.prepared:
            length = str(len(response.body or b""))  # type: ignore[arg-type]
            response = web.Response(status=response.status, headers=dict(response.headers))
            response.headers["Content-Length"] = length
        return response

    def _record(self, exchange: Exchange, response: web.StreamResponse, received: str, *, panicked: bool) -> None:
        assert self.audit is not None
        if exchange.original is None:
            if response.status == 401:
                self.audit.unauthenticated(exchange, response, received)
            return
        record = partial(self.audit.end, exchange, response, panicked=panicked)
        if exchange.parked is not None:
            exchange.parked.at_end(record)
        else:
            record()

    async def _answer(self, exchange: Exchange, received: str) -> web.StreamResponse:
        info = exchange.info
        if info.method not in _METHODS or (info.resource_request and not info.verb):
            raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        await self._authenticate(exchange, received)
        if is_long_running(exchange):
            if info.verb == "watch":
                await self._flow.enter(exchange, self._timeout)
            return await self._answer_long(exchange)
        seconds = request_seconds(info.first("timeout"), self._timeout) if "timeout" in info.query else self._timeout
        await self._flow.enter(exchange, seconds)
        if info.method in _WRITES:
            return await self._shielded(exchange, seconds)
        async with asyncio.timeout(seconds):
            return await self._answer_short(exchange, "readOnly")

    async def _answer_short(self, exchange: Exchange, kind: str) -> web.StreamResponse:
        self._metrics.inflight.inc(kind)
        try:
            self._authorize(exchange)
            if exchange.info.resource_request:
                exchange.form = negotiate(exchange.request.headers.get("Accept", ""))
            return await self._route(exchange)
        finally:
            self._metrics.inflight.dec(kind)
            exchange.leave()

    async def _answer_long(self, exchange: Exchange) -> web.StreamResponse:
        verb = exchange.info.verb.upper()
        self._metrics.watchers.inc(verb)
        try:
            self._authorize(exchange)
            if verb == "WATCH":
                exchange.form = negotiate(exchange.request.headers.get("Accept", ""))
            return await self._route(exchange)
        finally:
            exchange.leave()
            if exchange.parked is not None:
                exchange.parked.at_end(partial(self._metrics.watchers.dec, verb))
            else:
                self._metrics.watchers.dec(verb)

    async def _shielded(self, exchange: Exchange, seconds: float) -> web.StreamResponse:
        """Run a write to its end even when the client leaves, but not for ever."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._timed(exchange, seconds), name=f"write {exchange.info.resource}")
        self._writes.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    def _written(self, task: asyncio.Task[web.StreamResponse]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # told to the client, if it is still there

    async def _timed(self, exchange: Exchange, seconds: float) -> web.StreamResponse:
        async with asyncio.timeout(seconds):
            return await self._answer_short(exchange, "mutating")

    async def _route(self, exchange: Exchange) -> web.StreamResponse:
        if self._aggregator is not None:
            service = self._aggregator.match(exchange.info.path)
            if service is not None:
                response: web.StreamResponse = await self._aggregator.handle(exchange, service)
                return response
        if exchange.info.resource_request:
            return await dispatch(exchange)
        answer = await self._non_resource(exchange)
        assert answer is not None
        return answer

    async def _authenticate(self, exchange: Exchange, received: str) -> None:
        """Find out who asks."""
        request = exchange.request
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        certificate = tls.getpeercert(True) if tls is not None else None
        user = await self._authenticator.authenticate(
            RequestCredentials(certificate, request.headers, exchange.info.path)
        )
        if user is None:
            raise Unauthorized
        exchange.original = exchange.user = user
        if self.audit is not None:
            self.audit.begin(exchange, received, user)
        wanted = requested_user(request.headers)
        if wanted is not None:
            asked = authorization_attributes(user, exchange.info)
            exchange.user = wanted.check(self._services.authorizer, user, asked)

    def _authorize(self, exchange: Exchange) -> None:
        """Find out whether they may."""
        attributes = authorization_attributes(exchange.user, exchange.info)
        decision = self._services.authorizer.authorize(attributes)
        if self.audit is not None:
            exchange.annotations["authorization.k8s.io/decision"] = "allow" if decision.allowed else "forbid"
            exchange.annotations["authorization.k8s.io/reason"] = decision.reason
        if not decision.allowed:
            raise forbidden(attributes, decision.reason)

    def _count(self, info: RequestInfo, code: int, seconds: float) -> None:
        if info.verb == "watch":
            seconds = 0.0
        known = code != 404 and info.resource_request
        labels = (
            (info.verb or info.method).upper(),
            info.first("dryRun"),
            info.group if known else "",
            info.version if known else "",
            info.resource if known else "",
            info.subresource if known else "",
        )
        self._metrics.count(labels, code, seconds)


def authorization_attributes(user: UserInfo, info: RequestInfo) -> AuthorizationAttributes:
    """Return a request as the authorizers see it."""
    if not info.resource_request:
        return AuthorizationAttributes(user, info.method.lower(), path=info.path, resource_request=False)
    fields, labels = _selectors(info) if info.verb in _SELECTING and info.query else ((), ())
    return AuthorizationAttributes(
        user,
        info.verb,
        info.group,
        info.version,
        info.resource,
        info.subresource,
        info.namespace,
        info.name or _selected_name(fields),
        info.path,
        field_selector=fields,
        label_selector=labels,
    )


def _selectors(info: RequestInfo) -> tuple[tuple[FieldRequirement, ...], tuple[Requirement, ...]]:
    """Return what the request is narrowed to; what can't be read narrows nothing, the endpoint refuses it later."""
    fields: tuple[FieldRequirement, ...] = ()
    labels: tuple[Requirement, ...] = ()
    with suppress(SelectorError):
        fields = parse_field_selector(info.first("fieldSelector")).requirements
    with suppress(SelectorError):
        labels = parse_label_selector(info.first("labelSelector")).requirements
    return fields, labels


def _selected_name(fields: tuple[FieldRequirement, ...]) -> str:
    """The one object a list or watch asks for by field selector; upstream's rule, which the Node authorizer needs."""
    return next((one.value for one in fields if one.field == "metadata.name" and one.equal), "")
