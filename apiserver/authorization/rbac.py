"""The RBAC authorizer: rules compiled once per role version, indexed by subject.

Reads the four RBAC listers; a change to any of them marks the index stale, and the next question rebuilds it (roles
that did not change keep their compiled rules). Decisions are remembered until then. Never writes, never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.authentication.user import UserInfo, service_account_name
from apiserver.authorization.attributes import NO_OPINION, AuthorizationAttributes, Decision
from apiserver.authorization.rules import Rule, compile_rules

GROUP: Final = "rbac.authorization.k8s.io"
_MEMORY: Final = 20_000

# namespace ("" for cluster wide), rules, binding text for reasons
Grant = tuple[str, tuple[Rule, ...], str]


def _subject_keys(subjects: Iterable[Obj], binding_namespace: str) -> Iterator[tuple[str, str]]:
    for subject in subjects:
        kind, name = subject.get("kind"), subject.get("name", "")
        if kind == "User":
            yield "U", name
        elif kind == "Group":
            yield "G", name
        elif kind == "ServiceAccount":
            namespace = subject.get("namespace") or binding_namespace
            if namespace:
                yield "U", service_account_name(namespace, name)


def _subject_text(kind: str, key: str) -> str:
    return f'{"User" if kind == "U" else "Group"} "{key}"'


class RBAC:
    """Answers from Roles, ClusterRoles and their bindings."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        self._roles = listers(f"roles.{GROUP}")
        self._cluster_roles = listers(f"clusterroles.{GROUP}")
        self._role_bindings = listers(f"rolebindings.{GROUP}")
        self._cluster_role_bindings = listers(f"clusterrolebindings.{GROUP}")
        self._compiled: dict[tuple[str, str, str], tuple[str, tuple[Rule, ...]]] = {}
        self._grants: dict[tuple[str, str], dict[str, list[Grant]]] = {}
        self._decisions: dict[tuple[Any, ...], Decision] = {}
        self._stale = True
        for lister in (self._roles, self._cluster_roles, self._role_bindings, self._cluster_role_bindings):
            lister.on_touch(self._changed)

    def _changed(self, *_: Any) -> None:
        self._stale = True

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Allow when a rule of a binding of the user covers the request; otherwise no opinion."""
        if self._stale:
            self._rebuild()
        user = attrs.user
        key = (
            user.name, user.groups, attrs.verb, attrs.group, attrs.resource, attrs.subresource,
            attrs.namespace, attrs.name, attrs.path, attrs.resource_request,
        )  # fmt: skip
        known = self._decisions.get(key)
        if known is not None:
            return known
        decision = self._decide(attrs)
        if len(self._decisions) >= _MEMORY:
            self._decisions.clear()
        self._decisions[key] = decision
        return decision

    def _decide(self, attrs: AuthorizationAttributes) -> Decision:
        for rule, reason in self._granted(attrs.user, attrs.namespace):
            if rule.allows(attrs):
                return Decision(allowed=True, reason=f"RBAC: allowed by {reason}")
        return NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> list[Obj]:
        """Return the PolicyRules that hold for a user in a namespace (SelfSubjectRulesReview)."""
        if self._stale:
            self._rebuild()
        return [rule.source for rule, _ in self._granted(user, namespace)]

    def _granted(self, user: UserInfo, namespace: str) -> Iterator[tuple[Rule, str]]:
        keys = [("U", user.name), *(("G", group) for group in user.groups)]
        scopes = ("", namespace) if namespace else ("",)
        for scope in scopes:
            for key in keys:
                for _, rules, reason in self._grants.get(key, {}).get(scope, ()):
                    text = f"{reason} to {_subject_text(*key)}"
                    for rule in rules:
                        yield rule, text

    def _role_rules(self, kind: str, namespace: str, name: str) -> tuple[Rule, ...]:
        lister = self._cluster_roles if kind == "ClusterRole" else self._roles
        role = lister.get(namespace or None, name)
        if role is None:
            return ()
        meta = role["metadata"]
        version = f"{meta.get('uid', '')}/{meta.get('resourceVersion', '')}"
        key = (kind, namespace, name)
        known = self._compiled.get(key)
        if known is not None and known[0] == version and version != "/":
            return known[1]
        rules = compile_rules(role.get("rules") or ())
        self._compiled[key] = (version, rules)
        return rules

    def _rebuild(self) -> None:
        self._stale = False
        self._decisions.clear()
        grants: dict[tuple[str, str], dict[str, list[Grant]]] = {}
        for binding in (*self._cluster_role_bindings.list(), *self._role_bindings.list()):
            meta, ref = binding["metadata"], binding.get("roleRef") or {}
            namespace = meta.get("namespace", "")
            role_kind, role_name = ref.get("kind", ""), ref.get("name", "")
            rules = self._role_rules(role_kind, "" if role_kind == "ClusterRole" else namespace, role_name)
            if not rules:
                continue
            text = f"{meta['name']}/{namespace}" if namespace else meta["name"]
            binding_kind = "RoleBinding" if namespace else "ClusterRoleBinding"
            reason = f'{binding_kind} "{text}" of {role_kind} "{role_name}"'
            for key in _subject_keys(binding.get("subjects") or (), namespace):
                grants.setdefault(key, {}).setdefault(namespace, []).append((namespace, rules, reason))
        self._grants = grants
