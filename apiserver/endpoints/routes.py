"""From what is asked to who answers: a table of verbs, a table of subresources, a table of other paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from apimachinery.errors import MethodNotAllowed, NotAcceptable, NotFound
from apimachinery.resources import Resource
from apiserver.endpoints import connect, proxy, subresources
from apiserver.endpoints.create import create
from apiserver.endpoints.delete import delete, delete_collection
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.get import get
from apiserver.endpoints.list import list_objects
from apiserver.endpoints.patch import patch
from apiserver.endpoints.scale import scale
from apiserver.endpoints.update import update
from apiserver.endpoints.watch import watch
from apiserver.registry.store import Store
from apiserver.registry.table import DEPRECATED

Handler = Callable[[Exchange, Store], Awaitable[web.StreamResponse]]

_VERBS: dict[str, Handler] = {
    "get": get,
    "list": list_objects,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}

_NAMED = frozenset({"update", "patch"})

_SUBRESOURCES: dict[tuple[str, str], Handler] = {
    ("pods", "binding"): subresources.binding,
    ("pods", "eviction"): subresources.eviction,
    ("pods", "log"): connect.log,
    ("pods", "exec"): connect.upgrade,
    ("pods", "attach"): connect.upgrade,
    ("pods", "portforward"): connect.upgrade,
    ("pods", "proxy"): proxy.pod,
    ("services", "proxy"): proxy.service,
    ("nodes", "proxy"): proxy.node,
}

# The kinds of what is posted to virtual subresources.
_TOKEN_REQUEST = ("TokenRequest", "authentication.k8s.io/v1")

LONG_RUNNING_SUBRESOURCES = frozenset({"log", "exec", "attach", "portforward", "proxy"})


def is_long_running(exchange: Exchange) -> bool:
    """Tell whether a request may take as long as it likes."""
    info = exchange.info
    return info.verb == "watch" or info.subresource in LONG_RUNNING_SUBRESOURCES


async def dispatch(exchange: Exchange) -> web.StreamResponse:
    """Answer a request for a resource."""
    info = exchange.info
    store = exchange.services.registry.find(info.group, info.version, info.resource)
    if store is None:
        return await _virtual(exchange)
    resource = store.resource
    _check_scope(exchange, resource)
    if store.strategy.deprecation:
        exchange.warnings.append(store.strategy.deprecation)
    if info.subresource:
        return await _subresource(exchange, store)
    handler = _VERBS.get(info.verb)
    misnamed = info.name if info.verb == "create" else not info.name if info.verb in _NAMED else False
    if handler is None or info.verb not in resource.verbs or misnamed:
        raise MethodNotAllowed.of(resource, info.method.lower())
    return await handler(exchange, store)


def _check_scope(exchange: Exchange, resource: Resource) -> None:
    info = exchange.info
    if resource.namespaced:
        if not info.namespace and (info.name or info.verb not in ("list", "watch")):
            raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    elif info.namespace and info.resource != "namespaces":
        raise NotFound.path()


async def _subresource(exchange: Exchange, store: Store) -> web.StreamResponse:
    info = exchange.info
    name = info.subresource
    special = _SUBRESOURCES.get((store.resource.group_resource, name))
    if special is not None:
        return await special(exchange, store)
    if info.rest:
        raise NotFound.path()
    if name == "scale":
        return await scale(exchange, store)
    handlers = exchange.services.parts["virtual"]
    handler = handlers.get((store.resource.group_resource, name))
    if handler is not None:
        return await subresources.virtual(exchange, handler, store.resource, *_TOKEN_REQUEST)
    if name not in store.strategy.subresources or name == "binding":
        raise NotFound.path()
    if info.verb == "get":
        return await get(exchange, store)
    if info.verb == "update":
        return await update(exchange, store, name)
    if info.verb == "patch":
        return await patch(exchange, store, name)
    raise MethodNotAllowed.of(store.resource, info.method.lower())


async def _virtual(exchange: Exchange) -> web.StreamResponse:
    """Answer for resources that are not stored."""
    info = exchange.info
    resource = exchange.services.parts["resources"].get((info.group, info.version, info.resource))
    if resource is None:
        raise NotFound.path()
    if resource.group_resource == "componentstatuses":
        exchange.warnings.append(DEPRECATED["componentstatuses"])
        return await exchange.services.parts["component_statuses"](exchange)  # type: ignore[no-any-return]
    if exchange.form.kind:
        raise NotAcceptable(
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf"
        )
    if resource.group_resource == "bindings":
        store = exchange.services.registry.store("pods")
        return await subresources.binding(exchange, store)
    handler = exchange.services.parts["virtual"].get((resource.group_resource, ""))
    if handler is None or info.subresource or info.name:
        raise NotFound.path()
    return await subresources.virtual(exchange, handler, resource, resource.kind, resource.api_version)
