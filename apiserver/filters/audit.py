"""The audit log: who did what, one JSON line per answered request (audit.k8s.io/v1 Event, stage ResponseComplete).

A policy file (audit.k8s.io/v1 Policy) chooses the level per request by its first matching rule; without one everything
is logged at level Metadata. Writing is appending to a file; a full disk loses lines, never a request.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
from aiohttp import web

from apimachinery.objects.times import format_micro_time
from apiserver.authentication.user import UserInfo
from apiserver.endpoints.exchange import Exchange
from apiserver.filters.request_info import RequestInfo
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger("audit")
LEVELS = ("None", "Metadata", "Request", "RequestResponse")


class PolicyError(ValueError):
    """A policy file that makes no sense."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy: every condition given must hold."""

    level: str
    raw: dict[str, Any]

    def matches(self, user: UserInfo, info: RequestInfo) -> bool:
        """Tell whether the rule is about a request."""
        raw = self.raw
        verb = info.verb if info.resource_request else info.method.lower()
        if not _one_of(raw.get("users"), user.name) or not _one_of(raw.get("verbs"), verb):
            return False
        groups = raw.get("userGroups")
        if groups and not set(groups) & set(user.groups):
            return False
        if raw.get("nonResourceURLs"):
            return not info.resource_request and any(_path_matches(one, info.path) for one in raw["nonResourceURLs"])
        if not raw.get("resources") and not raw.get("namespaces"):
            return True
        if not info.resource_request or not _one_of(raw.get("namespaces"), info.namespace):
            return False
        return not raw.get("resources") or any(_resource_matches(one, info) for one in raw["resources"])


def _one_of(wanted: list[str] | None, value: str) -> bool:
    return not wanted or value in wanted


def _path_matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _resource_matches(row: dict[str, Any], info: RequestInfo) -> bool:
    if (row.get("group") or "") != info.group:
        return False
    if row.get("resourceNames") and info.name not in row["resourceNames"]:
        return False
    name = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    wanted = row.get("resources")
    return not wanted or any(one in (name, "*", f"{info.resource}/*", f"*/{info.subresource}") for one in wanted)


def read_policy(path: str) -> tuple[Rule, ...]:
    """Read the rules of a policy file; `PolicyError`."""
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise PolicyError(f"failed to read audit policy {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "Policy":
        raise PolicyError(f"audit policy {path}: kind must be Policy of audit.k8s.io/v1")
    rules = []
    for row in document.get("rules") or []:
        if not isinstance(row, dict) or row.get("level") not in LEVELS:
            raise PolicyError(f"audit policy {path}: level must be one of {', '.join(LEVELS)}")
        rules.append(Rule(row["level"], row))
    if not rules:
        raise PolicyError(f"audit policy {path}: no rules")
    return tuple(rules)


class Audit:
    """Writes events to a file, which is rotated once (`.1`) when it has grown too large."""

    def __init__(self, path: str, rules: tuple[Rule, ...], clock: Clock, *, most_bytes: int) -> None:
        self._path = path
        self._rules = rules
        self._clock = clock
        self._most_bytes = most_bytes
        self._file: IO[bytes] = self._open()

    def _open(self) -> IO[bytes]:
        if self._path == "-":
            return os.fdopen(os.dup(1), "ab", buffering=0)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "ab", buffering=0)

    def level(self, user: UserInfo, info: RequestInfo) -> str:
        """Return how much is logged of a request."""
        if not self._rules:
            return "Metadata"
        return next((rule.level for rule in self._rules if rule.matches(user, info)), "None")

    def record(self, exchange: Exchange, response: web.StreamResponse, received: str) -> None:
        """Log an answered request."""
        level = self.level(exchange.user, exchange.info)
        if level == "None":
            return
        try:
            self._write(orjson.dumps(self._event(exchange, response, received, level)) + b"\n")
        except (OSError, orjson.JSONEncodeError) as error:
            _LOG.warning("an audit event is lost", error=str(error))

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        if self._path != "-" and self._most_bytes and self._file.tell() > self._most_bytes:
            self._file.close()
            os.replace(self._path, f"{self._path}.1")
            self._file = self._open()

    def now(self) -> str:
        """Return the time as events tell it."""
        return format_micro_time(self._clock.now())

    def _event(self, exchange: Exchange, response: web.StreamResponse, received: str, level: str) -> dict[str, Any]:
        info, request = exchange.info, exchange.request
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": level,
            "auditID": exchange.audit_id,
            "stage": "ResponseComplete",
            "requestURI": request.raw_path,
            "verb": info.verb if info.resource_request else info.method.lower(),
            "user": exchange.user.to_dict(),
            "sourceIPs": [request.remote or ""],
            "userAgent": request.headers.get("User-Agent", ""),
            "responseStatus": {"metadata": {}, "code": response.status},
            "requestReceivedTimestamp": received,
            "stageTimestamp": self.now(),
            "annotations": {"authorization.k8s.io/decision": "forbid" if response.status == 403 else "allow"},
        }
        if info.resource_request:
            reference = {
                "resource": info.resource,
                "namespace": info.namespace,
                "name": info.name,
                "apiGroup": info.group,
                "apiVersion": info.version,
                "subresource": info.subresource,
            }
            event["objectRef"] = {key: value for key, value in reference.items() if value}
        if level in ("Request", "RequestResponse") and exchange.body:
            event["requestObject"] = _json(exchange.body)
        if level == "RequestResponse" and isinstance(response, web.Response) and isinstance(response.body, bytes):
            event["responseObject"] = _json(response.body)
        return event


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {"raw": raw[:4096].decode("utf-8", "replace")}


def open_audit(path: str, policy_file: str, clock: Clock, *, megabytes: int) -> Audit | None:
    """Return the audit log the flags ask for, or None."""
    if not path:
        return None
    rules = read_policy(policy_file) if policy_file else ()
    return Audit(path, rules, clock, most_bytes=megabytes * 1024 * 1024)
