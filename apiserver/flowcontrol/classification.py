"""Which flow schema a request belongs to. Pure: schemas are compiled once, then asked per kind of request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from apimachinery.objects.metadata import Obj
from apiserver.authentication.user import split_service_account

_ALL = "*"


class Digest(NamedTuple):
    """What of a request matters for its classification."""

    user: str
    groups: tuple[str, ...]
    verb: str
    path: str = ""
    resource_request: bool = False
    group: str = ""
    resource: str = ""
    namespace: str = ""


_Test = Callable[[Digest], bool]


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled FlowSchema."""

    name: str
    uid: str
    level: str
    precedence: int
    distinguisher: str
    rules: tuple[tuple[_Test, _Test], ...]

    def matches(self, digest: Digest) -> bool:
        """Tell whether a request is of this schema."""
        return any(subject(digest) and target(digest) for subject, target in self.rules)

    def flow(self, digest: Digest) -> str:
        """Return which of the schema's flows a request is part of."""
        if self.distinguisher == "ByUser":
            return digest.user
        return digest.namespace if self.distinguisher == "ByNamespace" else ""


def _subject_test(subject: Obj) -> _Test:
    kind = subject.get("kind")
    if kind == "User":
        name = (subject.get("user") or {}).get("name")
        return lambda digest: name in (_ALL, digest.user)
    if kind == "Group":
        group = (subject.get("group") or {}).get("name", "")
        return lambda digest: group == _ALL or group in digest.groups
    account = subject.get("serviceAccount") or {}

    def is_account(digest: Digest) -> bool:
        found = split_service_account(digest.user)
        if found is None or found[0] != account.get("namespace"):
            return False
        return account.get("name") in (_ALL, found[1])

    return is_account


def _holds(listed: Iterable[str], value: str) -> bool:
    return _ALL in listed or value in listed


def _resource_test(rule: Obj) -> _Test:
    verbs, groups = rule.get("verbs") or (), rule.get("apiGroups") or ()
    resources, namespaces = rule.get("resources") or (), rule.get("namespaces") or ()
    cluster = bool(rule.get("clusterScope"))

    def matches(digest: Digest) -> bool:
        if not (digest.resource_request and _holds(verbs, digest.verb) and _holds(groups, digest.group)):
            return False
        if not _holds(resources, digest.resource):
            return False
        return _holds(namespaces, digest.namespace) if digest.namespace else cluster

    return matches


def _path_matches(pattern: str, path: str) -> bool:
    if pattern in (_ALL, path):
        return True
    return pattern.endswith("/*") and path.startswith(pattern[:-1])


def _path_test(rule: Obj) -> _Test:
    verbs, patterns = rule.get("verbs") or (), rule.get("nonResourceURLs") or ()

    def matches(digest: Digest) -> bool:
        if digest.resource_request or not _holds(verbs, digest.verb):
            return False
        return any(_path_matches(pattern, digest.path) for pattern in patterns)

    return matches


def _any(tests: list[_Test]) -> _Test:
    return lambda digest: any(test(digest) for test in tests)


def compile_schema(obj: Obj) -> Schema:
    """Compile a FlowSchema."""
    spec = obj.get("spec") or {}
    rules = []
    for rule in spec.get("rules") or ():
        targets = [_resource_test(one) for one in rule.get("resourceRules") or ()]
        targets += [_path_test(one) for one in rule.get("nonResourceRules") or ()]
        rules.append((_any([_subject_test(one) for one in rule.get("subjects") or ()]), _any(targets)))
    return Schema(
        name=obj["metadata"]["name"],
        uid=obj["metadata"].get("uid", ""),
        level=(spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        precedence=spec.get("matchingPrecedence") or 1000,
        distinguisher=(spec.get("distinguisherMethod") or {}).get("type", ""),
        rules=tuple(rules),
    )


def in_order(schemas: Iterable[Schema]) -> list[Schema]:
    """Return schemas in the order in which they are asked."""
    return sorted(schemas, key=lambda schema: (schema.precedence, schema.name))
