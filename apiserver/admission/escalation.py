"""Nobody grants through RBAC what they don't hold themselves.

Upstream keeps this in the storage of the four RBAC resources; it is always on and not among the named plugins. Who
may `escalate` roles, or `bind` a role, passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.authentication.user import MASTERS
from apiserver.authorization.attributes import AuthorizationAttributes
from apiserver.authorization.rules import not_covered, rule_text

_GROUP: Final = "rbac.authorization.k8s.io"
_ROLES: Final = frozenset({f"roles.{_GROUP}", f"clusterroles.{_GROUP}"})
_BINDINGS: Final = frozenset({f"rolebindings.{_GROUP}", f"clusterrolebindings.{_GROUP}"})
_EVERYTHING: Final = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
# What the garbage collector may change of a role whose rules it doesn't hold.
_COLLECTION_FIELDS: Final = frozenset({"ownerReferences", "finalizers", "resourceVersion", "managedFields"})


def _only_for_collection(new: Obj, old: Obj) -> bool:
    def rest(obj: Obj) -> Obj:
        kept = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _COLLECTION_FIELDS}
        return {**obj, "metadata": kept}

    return rest(new) == rest(old)


class Escalation:
    """The check."""

    name = "Escalation"

    def __init__(self, services: PluginServices) -> None:
        self._authorizer: Any = services.authorizer
        self._roles = services.listers(f"roles.{_GROUP}")
        self._cluster_roles = services.listers(f"clusterroles.{_GROUP}")

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Writes of roles and bindings."""
        return operation in (CREATE, UPDATE) and not subresource and group_resource in _ROLES | _BINDINGS

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Compare what is granted with what the user holds."""
        new, old = attrs.object, attrs.old_object
        if new is None or MASTERS in attrs.user.groups or (old is not None and _only_for_collection(new, old)):
            return
        if attrs.group_resource in _ROLES:
            if self._may(attrs, "escalate", attrs.resource.plural, attrs.named()):
                return
            self._check(attrs, new.get("rules") or ())
            if new.get("aggregationRule") and self._missing(attrs, _EVERYTHING):
                raise attrs.forbidden("must have cluster-admin privileges to use the aggregationRule")
            return
        reference = new.get("roleRef") or {}
        plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
        if self._may(attrs, "bind", plural, reference.get("name", "")):
            return
        lister = self._cluster_roles if plural == "clusterroles" else self._roles
        role: Obj | None = lister.get(None if plural == "clusterroles" else attrs.namespace, reference.get("name", ""))
        if role is None:
            raise attrs.forbidden(f'{plural[:-1]}.{_GROUP} "{reference.get("name", "")}" not found')
        self._check(attrs, role.get("rules") or ())

    def _may(self, attrs: AdmissionAttributes, verb: str, resource: str, name: str) -> bool:
        question = AuthorizationAttributes(
            user=attrs.user,
            verb=verb,
            group=_GROUP,
            version="*",
            resource=resource,
            namespace=attrs.namespace,
            name=name,
        )
        return bool(self._authorizer.authorize(question).allowed)

    def _missing(self, attrs: AdmissionAttributes, granted: Iterable[Obj]) -> list[Obj]:
        held = self._authorizer.rules_for(attrs.user, attrs.namespace)[0]
        return not_covered(held, granted)

    def _check(self, attrs: AdmissionAttributes, granted: Iterable[Obj]) -> None:
        missing = self._missing(attrs, granted)
        if missing:
            groups = " ".join(f'"{group}"' for group in attrs.user.groups)
            listed = "\n".join(rule_text(rule) for rule in missing)
            raise attrs.forbidden(
                f'user "{attrs.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently '
                f"held:\n{listed}"
            )
