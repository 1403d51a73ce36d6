"""The audit log: who did what (audit.k8s.io/v1 Event), told at the stages of a request that the policy wants.

`begin` when it is known who asks, `start` when a long answer begins, `end` when the answer is given. The backends are
a file and a server; a full disk or a server that is away loses events, never a request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web

from apimachinery.client import kubeconfig
from apimachinery.errors import APIError
from apimachinery.objects.times import format_micro_time
from apiserver.authentication.request_headers import readable
from apiserver.authentication.user import UserInfo
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.negotiation import PROTOBUF
from apiserver.endpoints.yaml_body import decode_yaml
from apiserver.filters.audit_file import AuditFile, Rotation
from apiserver.filters.audit_policy import EVERYTHING, AuditPolicy, Scope, read_policy
from apiserver.filters.audit_webhook import AuditWebhook
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger("audit")
_MEGABYTE: Final = 1024 * 1024
# Larger YAML would hold up others.
_MOST_DECODED: Final = 64 * 1024
# Whole patches are content, which level Metadata leaves out.
_PATCHES: Final = "patch.webhook.admission.k8s.io/"


@dataclass(frozen=True, slots=True)
class Trail:
    """What is logged of one request, and when it came."""

    scope: Scope
    received: str


class Audit:
    """Writes events to the backends."""

    def __init__(self, policy: AuditPolicy, clock: Clock, file: AuditFile | None, webhook: AuditWebhook | None) -> None:
        self._policy = policy
        self._clock = clock
        self._file = file
        self.webhook = webhook

    def now(self) -> str:
        """Return the time as events tell it."""
        return format_micro_time(self._clock.now())

    def begin(self, exchange: Exchange, received: str, user: UserInfo) -> None:
        """A request has come, and it is known from whom (before impersonation)."""
        scope = self._policy.scope(user, exchange.info)
        if scope.level == "None":
            return
        exchange.trail = Trail(scope, received)
        exchange.on_start = partial(self._start, exchange)
        self._tell(exchange, "RequestReceived")

    def _start(self, exchange: Exchange, status: int) -> None:
        self._tell(exchange, "ResponseStarted", {"metadata": {}, "code": status})

    def end(self, exchange: Exchange, response: web.StreamResponse, *, panicked: bool = False) -> None:
        """The answer is given."""
        told = _status(response)
        body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
        self._tell(exchange, "Panic" if panicked else "ResponseComplete", told, body)

    def unauthenticated(self, exchange: Exchange, response: web.StreamResponse, received: str) -> None:
        """Nobody knows who asked."""
        scope = self._policy.scope(UserInfo(""), exchange.info)
        if scope.level == "None":
            return
        exchange.trail = Trail(scope, received)
        header = exchange.request.headers.get("Authorization", "")
        tried = header.partition(" ")[0].lower() or "x509"
        message = f"Authentication failed, attempted: {tried}"
        told = {"metadata": {}, "status": "Failure", "message": message, "code": response.status}
        self._tell(exchange, "ResponseStarted", told)

    def _tell(self, exchange: Exchange, stage: str, status: dict[str, Any] | None = None, body: bytes = b"") -> None:
        trail: Trail | None = exchange.trail
        if trail is None or stage in trail.scope.omitted_stages:
            return
        event = self._event(exchange, trail, stage, status, body)
        if self.webhook is not None:
            self.webhook.put(event)
        if self._file is None:
            return
        try:
            self._file.write(orjson.dumps(event) + b"\n")
        except (OSError, orjson.JSONEncodeError) as error:
            _LOG.warning("an audit event is lost", error=str(error))

    def _event(
        self, exchange: Exchange, trail: Trail, stage: str, status: dict[str, Any] | None, body: bytes
    ) -> dict[str, Any]:
        info, request, scope = exchange.info, exchange.request, trail.scope
        original = exchange.original
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": scope.level,
            "auditID": exchange.audit_id,
            "stage": stage,
            "requestURI": readable(request.raw_path),
            "verb": info.verb if info.resource_request else info.method.lower(),
            "user": original.to_dict() if original is not None else {},
            "sourceIPs": _sources(request),
            "userAgent": readable(request.headers.get("User-Agent", "")),
            "requestReceivedTimestamp": trail.received,
            "stageTimestamp": self.now(),
        }
        if original is not None and exchange.user is not original and stage != "RequestReceived":
            event["impersonatedUser"] = exchange.user.to_dict()
        sent = _sent(exchange) if exchange.body else None
        if info.resource_request:
            event["objectRef"] = _reference(exchange, sent)
        if status is not None:
            event["responseStatus"] = status
        if stage != "RequestReceived":
            if sent is not None and scope.at_least("Request"):
                event["requestObject"] = _trimmed(sent) if scope.omit_managed_fields else sent
            if body and scope.at_least("RequestResponse"):
                answered = _json(body)
                event["responseObject"] = _trimmed(answered) if scope.omit_managed_fields else answered
            whole = scope.at_least("Request")
            notes = exchange.annotations.items()
            event["annotations"] = {key: value for key, value in notes if whole or not key.startswith(_PATCHES)}
        return event


def _sources(request: web.BaseRequest) -> list[str]:
    headers = request.headers
    listed = [part.strip() for part in readable(headers.get("X-Forwarded-For", "")).split(",") if part.strip()]
    real = readable(headers.get("X-Real-Ip", ""))
    if real and real not in listed:
        listed.append(real)
    if request.remote and request.remote not in listed:
        listed.append(request.remote)
    return listed


def _reference(exchange: Exchange, sent: Any) -> dict[str, str]:
    info = exchange.info
    meta = sent.get("metadata") if isinstance(sent, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    reference = {
        "resource": info.resource,
        "namespace": info.namespace or meta.get("namespace"),
        "name": info.name or meta.get("name"),
        "uid": meta.get("uid"),
        "apiGroup": info.group,
        "apiVersion": info.version,
        "resourceVersion": meta.get("resourceVersion"),
        "subresource": info.subresource,
    }
    return {key: str(value) for key, value in reference.items() if value}


def _status(response: web.StreamResponse) -> dict[str, Any]:
    told: dict[str, Any] = {"metadata": {}, "code": response.status}
    if response.status < 400 or not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return told
    answered = _json(response.body)
    if isinstance(answered, dict) and answered.get("kind") == "Status":
        told.update({key: answered[key] for key in ("status", "message", "reason", "details") if key in answered})
    return told


def _sent(exchange: Exchange) -> Any:
    """Return what a request's body says, however it is written."""
    raw = exchange.body
    decode = _DECODERS.get(exchange.request.content_type)
    if decode is not None and len(raw) <= _MOST_DECODED:
        try:
            return decode(raw)
        except APIError:
            pass  # the answer tells
    return _json(raw)


def _protobuf(raw: bytes) -> Any:
    from apiserver.protobuf.decode import decode

    return decode(raw)


_DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    PROTOBUF: _protobuf,
    "application/yaml": decode_yaml,
    "application/apply-patch+yaml": decode_yaml,
}


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {"raw": raw[:4096].decode("utf-8", "replace")}


def _trimmed(value: Any) -> Any:
    """Return an object, or a list of them, without managed fields."""
    if not isinstance(value, dict):
        return value
    out = dict(value)
    meta = out.get("metadata")
    if isinstance(meta, dict) and "managedFields" in meta:
        out["metadata"] = {key: part for key, part in meta.items() if key != "managedFields"}
    if isinstance(out.get("items"), list):
        out["items"] = [_trimmed(item) for item in out["items"]]
    return out


def open_audit(options: Any, clock: Clock) -> Audit | None:
    """Return the audit log the flags ask for, or None.

    Raises:
        PolicyError: the policy makes no sense.
        KubeconfigError: the webhook's configuration doesn't.
    """
    file = webhook = None
    if options.audit_log_path:
        rotation = Rotation(
            options.audit_log_maxsize * _MEGABYTE,
            options.audit_log_maxage,
            options.audit_log_maxbackup,
            options.audit_log_compress,
        )
        file = AuditFile(options.audit_log_path, rotation, clock)
    if options.audit_webhook_config_file:
        webhook = AuditWebhook(
            kubeconfig.load(options.audit_webhook_config_file),
            batch_size=options.audit_webhook_batch_max_size,
            batch_wait=float(options.audit_webhook_batch_max_wait),
            backoff=float(options.audit_webhook_initial_backoff),
        )
    if file is None and webhook is None:
        return None
    policy = read_policy(options.audit_policy_file) if options.audit_policy_file else EVERYTHING
    return Audit(policy, clock, file, webhook)
