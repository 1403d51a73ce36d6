"""Audit policy (audit.k8s.io/v1 Policy): how much is logged of a request, and at which of its stages (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from apiserver.authentication.user import UserInfo
from apiserver.filters.request_info import RequestInfo

LEVELS: Final = ("None", "Metadata", "Request", "RequestResponse")
STAGES: Final = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


class PolicyError(ValueError):
    """A policy file that makes no sense."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is logged of one request."""

    level: str = "None"
    omitted_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def at_least(self, level: str) -> bool:
        """Tell whether as much as a level is logged."""
        return LEVELS.index(self.level) >= LEVELS.index(level)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy: every condition given must hold."""

    scope: Scope
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
        if raw.get("resources") or raw.get("namespaces"):
            if not info.resource_request or not _one_of(raw.get("namespaces"), info.namespace):
                return False
            return not raw.get("resources") or any(_resource_matches(one, info) for one in raw["resources"])
        if raw.get("nonResourceURLs"):
            return not info.resource_request and any(_path_matches(one, info.path) for one in raw["nonResourceURLs"])
        return True


def _one_of(wanted: list[str] | None, value: str) -> bool:
    return not wanted or value in wanted


def _path_matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _resource_matches(row: dict[str, Any], info: RequestInfo) -> bool:
    if (row.get("group") or "") != info.group:
        return False
    wanted = row.get("resources")
    if not wanted:
        return True
    if row.get("resourceNames") and info.name not in row["resourceNames"]:
        return False
    name = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    return any(one in (name, "*", f"{info.resource}/*", f"*/{info.subresource}") for one in wanted)


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """The rules; the first that matches decides, and where none does nothing is logged."""

    rules: tuple[Rule, ...]

    def scope(self, user: UserInfo, info: RequestInfo) -> Scope:
        """Return what is logged of a request."""
        return next((rule.scope for rule in self.rules if rule.matches(user, info)), Scope())


# Without a policy file.
EVERYTHING: Final = AuditPolicy((Rule(Scope("Metadata", frozenset({"RequestReceived"})), {}),))


def read_policy(path: str) -> AuditPolicy:
    """Read a policy file; `PolicyError`."""
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyError(f"failed to read audit policy {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "Policy":
        raise PolicyError(f"audit policy {path}: kind must be Policy of audit.k8s.io/v1")
    rows = document.get("rules") or []
    if not isinstance(rows, list) or not rows:
        raise PolicyError(f"audit policy {path}: no rules")
    omitted = _stages(document, path)
    rules = []
    for index, row in enumerate(rows):
        where = f"audit policy {path}: rules[{index}]"
        if not isinstance(row, dict) or row.get("level") not in LEVELS:
            raise PolicyError(f"{where}: level must be one of {', '.join(LEVELS)}")
        _check_rule(row, where)
        managed = row.get("omitManagedFields")
        omit = bool(document.get("omitManagedFields")) if managed is None else bool(managed)
        rules.append(Rule(Scope(row["level"], omitted | _stages(row, where), omit), row))
    return AuditPolicy(tuple(rules))


def _stages(row: dict[str, Any], where: str) -> frozenset[str]:
    stages = row.get("omitStages") or []
    if not isinstance(stages, list) or not all(stage in STAGES for stage in stages):
        raise PolicyError(f"{where}: omitStages must be of {', '.join(STAGES)}")
    return frozenset(stages)


def _check_rule(row: dict[str, Any], where: str) -> None:
    for key in ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs", "resources"):
        if not isinstance(row.get(key) or [], list):
            raise PolicyError(f"{where}: {key} must be a list")
    urls = row.get("nonResourceURLs") or []
    if urls and (row.get("resources") or row.get("namespaces")):
        raise PolicyError(f"{where}: rules cannot apply to both regular resources and non-resource URLs")
    for url in urls:
        if url != "*" and (not str(url).startswith("/") or "*" in str(url)[:-1]):
            raise PolicyError(f"{where}: nonResourceURLs must begin with / and may have * at the end only: {url}")
    for resource in row.get("resources") or []:
        if not isinstance(resource, dict):
            raise PolicyError(f"{where}: resources must be a list of group and resources")
        if resource.get("resourceNames") and not resource.get("resources"):
            raise PolicyError(f"{where}: using resourceNames requires at least one resource")
