"""RBAC PolicyRules in compiled form, and whether one set of rules covers another (escalation)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects.metadata import Obj
from apiserver.authorization.attributes import AuthorizationAttributes


@dataclass(frozen=True, slots=True)
class Rule:
    """One PolicyRule as sets."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]
    any_verb: bool
    any_group: bool
    any_resource: bool
    source: Obj

    def allows(self, attrs: AuthorizationAttributes) -> bool:
        """Tell whether this rule covers the request."""
        if not (self.any_verb or attrs.verb in self.verbs):
            return False
        if not attrs.resource_request:
            return url_matches(self.urls, attrs.path)
        if not (self.any_group or attrs.group in self.groups):
            return False
        if self.names and attrs.name not in self.names:
            return False
        return self.any_resource or resource_matches(self.resources, attrs.resource, attrs.subresource)


def resource_matches(resources: frozenset[str], resource: str, subresource: str) -> bool:
    """Match `pods`, `pods/log`, `*/scale` against a resource and subresource."""
    if subresource:
        return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources
    return resource in resources


def url_matches(urls: Iterable[str], path: str) -> bool:
    """Match a path against exact URLs and `prefix*`."""
    return any(url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*"))) for url in urls)


def compile_rule(source: Obj) -> Rule:
    """Compile one PolicyRule."""
    verbs = frozenset(source.get("verbs") or ())
    groups = frozenset(source.get("apiGroups") or ())
    resources = frozenset(source.get("resources") or ())
    return Rule(
        verbs=verbs,
        groups=groups,
        resources=resources,
        names=frozenset(source.get("resourceNames") or ()),
        urls=tuple(source.get("nonResourceURLs") or ()),
        any_verb="*" in verbs,
        any_group="*" in groups,
        any_resource="*" in resources,
        source=source,
    )


def compile_rules(rules: Iterable[Obj]) -> tuple[Rule, ...]:
    """Compile a role's rules."""
    return tuple(compile_rule(rule) for rule in rules)


def break_down(rule: Obj) -> list[Obj]:
    """Split a PolicyRule into single-valued ones (one verb, group, resource, name or URL each)."""
    verbs = rule.get("verbs") or []
    urls = [{"verbs": [verb], "nonResourceURLs": [url]} for verb in verbs for url in rule.get("nonResourceURLs") or []]
    out: list[Obj] = list(urls)
    for group in rule.get("apiGroups") or []:
        for resource in rule.get("resources") or []:
            for verb in verbs:
                single: Obj = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                names = rule.get("resourceNames") or []
                out += [{**single, "resourceNames": [name]} for name in names] or [single]
    return out


def _covers(owner: Rule, single: Obj) -> bool:
    if not (owner.any_verb or single["verbs"][0] in owner.verbs):
        return False
    if "nonResourceURLs" in single:
        url = single["nonResourceURLs"][0]
        return url_matches(owner.urls, url)
    group, resource = single["apiGroups"][0], single["resources"][0]
    if not (owner.any_group or group in owner.groups):
        return False
    main, _, sub = resource.partition("/")
    if not (owner.any_resource or resource_matches(owner.resources, main, sub)):
        return False
    if not owner.names:
        return True
    names: list[str] = single.get("resourceNames") or []
    return bool(names) and names[0] in owner.names


def not_covered(owned: Iterable[Obj], wanted: Iterable[Obj]) -> list[Obj]:
    """Return what of `wanted` the rules `owned` don't give, compacted by resource and name."""
    owners = compile_rules(owned)
    missing = [single for rule in wanted for single in break_down(rule) if not any(_covers(o, single) for o in owners)]
    merged: dict[tuple[object, ...], Obj] = {}
    for single in missing:
        key = tuple((part, tuple(single.get(part, ()))) for part in sorted(single) if part != "verbs")
        if key in merged:
            merged[key]["verbs"] = [*merged[key]["verbs"], *single["verbs"]]
        else:
            merged[key] = dict(single)
    return list(merged.values())


def rule_text(rule: Obj) -> str:
    """Write a rule the way upstream's escalation error does."""
    parts = [
        ("APIGroups", rule.get("apiGroups")),
        ("Resources", rule.get("resources")),
        ("ResourceNames", rule.get("resourceNames")),
        ("NonResourceURLs", rule.get("nonResourceURLs")),
        ("Verbs", rule.get("verbs")),
    ]
    body = ", ".join(f"{name}:[{', '.join(_quoted(value))}]" for name, value in parts if value)
    return f"{{{body}}}"


def _quoted(values: Iterable[str]) -> list[str]:
    return [f'"{value}"' for value in values]
