"""The Node authorizer: what a kubelet may see follows from the Pods bound to its Node.

Keeps, per node, what its Pods refer to (Secrets, ConfigMaps, claims, ServiceAccounts, ResourceClaims), fed by the Pod
lister's keys of changed Pods (read when somebody asks). Everything a kubelet may do regardless comes from the rules of
the ClusterRole `system:node`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.authentication.user import NODE_PREFIX, NODES_GROUP, UserInfo
from apiserver.authorization.attributes import NO_OPINION, AuthorizationAttributes, Decision
from apiserver.authorization.bootstrap_cluster_roles import CLUSTER_ROLES
from apiserver.authorization.rbac_bootstrap import parse_rule
from apiserver.authorization.rules import compile_rules

Reference = tuple[str, str, str]  # resource, namespace, name

_ALLOWED: Final = Decision(allowed=True)


def node_name(user: UserInfo) -> tuple[str, bool]:
    """Return (name of the node, whether the user is a node). A node without a name is ("", True)."""
    if not user.name.startswith(NODE_PREFIX) or NODES_GROUP not in user.groups:
        return "", False
    return user.name[len(NODE_PREFIX) :], True


def _container_references(container: Obj, namespace: str) -> Iterator[Reference]:
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for part, resource in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if source.get(part):
                yield resource, namespace, source[part].get("name", "")
    for source in container.get("envFrom") or ():
        for part, resource in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if source.get(part):
                yield resource, namespace, source[part].get("name", "")


# volume source -> where its Secret's name stands
_VOLUME_SECRETS: Final[dict[str, str]] = {
    "azureFile": "secretName",
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "csi": "nodePublishSecretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "secret": "secretName",
    "storageos": "secretRef",
}


def _volume_references(volume: Obj, namespace: str, pod: str) -> Iterator[Reference]:
    for source, part in _VOLUME_SECRETS.items():
        value = (volume.get(source) or {}).get(part)
        if value:
            yield "secrets", namespace, value if isinstance(value, str) else value.get("name", "")
    if volume.get("configMap"):
        yield "configmaps", namespace, volume["configMap"].get("name", "")
    if volume.get("persistentVolumeClaim"):
        yield "persistentvolumeclaims", namespace, volume["persistentVolumeClaim"].get("claimName", "")
    if volume.get("ephemeral"):
        yield "persistentvolumeclaims", namespace, f"{pod}-{volume.get('name', '')}"
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("secret"):
            yield "secrets", namespace, source["secret"].get("name", "")
        if source.get("configMap"):
            yield "configmaps", namespace, source["configMap"].get("name", "")


def pod_references(pod: Obj) -> set[Reference]:
    """Return what a Pod's kubelet needs to read."""
    meta, spec = pod["metadata"], pod.get("spec") or {}
    namespace, name = meta.get("namespace", ""), meta.get("name", "")
    out: set[Reference] = {("pods", namespace, name)}
    if spec.get("serviceAccountName"):
        out.add(("serviceaccounts", namespace, spec["serviceAccountName"]))
    out.update(("secrets", namespace, ref.get("name", "")) for ref in spec.get("imagePullSecrets") or ())
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            out.update(_container_references(container, namespace))
    for volume in spec.get("volumes") or ():
        out.update(_volume_references(volume, namespace, name))
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    generated = {status.get("name"): status.get("resourceClaimName") for status in statuses}
    for claim in spec.get("resourceClaims") or ():
        target = claim.get("resourceClaimName") or generated.get(claim.get("name"))
        if target:
            out.add(("resourceclaims", namespace, target))
    return out


class NodeAuthorizer:
    """Allows kubelets what their Pods need."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        self._rules = compile_rules([parse_rule(line) for line in CLUSTER_ROLES["system:node"]])
        self._pods = listers("pods")
        self._claims = listers("persistentvolumeclaims")
        self._attachments = listers("volumeattachments.storage.k8s.io")
        self._by_node: dict[str, Counter[Reference]] = {}
        self._by_pod: dict[str, tuple[str, set[Reference]]] = {}
        self._touched: set[str] = set()
        self._filled = False
        self._pods.on_touch(self._touched.add)

    def _catch_up(self) -> None:
        """Read the Pods that changed since the last question: each once, however often it changed."""
        if not self._filled:
            self._filled = True
            for pod in self._pods.list():
                self._touched.add(f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}")
        while self._touched:
            key = self._touched.pop()
            namespace, _, name = key.partition("/")
            self._forget(key)
            pod = self._pods.get(namespace, name)
            node = (pod.get("spec") or {}).get("nodeName", "") if pod is not None else ""
            if pod is not None and node:
                references = pod_references(pod)
                self._by_pod[key] = (node, references)
                self._by_node.setdefault(node, Counter()).update(references)

    def _forget(self, key: str) -> None:
        before = self._by_pod.pop(key, None)
        if before is None:
            return
        counts = self._by_node[before[0]]
        for held in before[1]:
            counts[held] -= 1
            if counts[held] <= 0:
                del counts[held]

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Allow by reference, else by the rules of `system:node`."""
        node, is_node = node_name(attrs.user)
        if not is_node:
            return NO_OPINION
        if not node:
            return Decision(allowed=False, reason="unknown node for user " + _quote(attrs.user.name))
        if attrs.resource_request:
            check = _CHECKS.get((attrs.group, attrs.resource))
            if check is not None:
                return check(self, node, attrs)
        if any(rule.allows(attrs) for rule in self._rules):
            return _ALLOWED
        return NO_OPINION

    def refers(self, node: str, resource: str, namespace: str, name: str) -> bool:
        """Tell whether a Pod of the node refers to the object."""
        self._catch_up()
        counts = self._by_node.get(node)
        if counts is None:
            return False
        if (resource, namespace, name) in counts:
            return True
        if resource == "persistentvolumes":
            return any(
                (self._claims.get(ref[1], ref[2]) or {}).get("spec", {}).get("volumeName") == name
                for ref in counts
                if ref[0] == "persistentvolumeclaims"
            )
        return False

    def _by_reference(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.subresource and not (attrs.resource == "persistentvolumeclaims" and attrs.subresource == "status"):
            return _refused("cannot get subresource of " + attrs.resource)
        verbs: tuple[str, ...] = ("get",)
        if attrs.subresource:
            verbs = ("get", "update", "patch")
        elif attrs.resource in ("secrets", "configmaps"):
            verbs = ("get", "list", "watch")
        if attrs.verb not in verbs:
            return _refused(f"can only {', '.join(verbs)} resource of this type")
        if not attrs.name:
            return _refused("No Object name found")
        if self.refers(node, attrs.resource, attrs.namespace, attrs.name):
            return _ALLOWED
        return _refused(f"no relationship found between node '{node}' and this object")

    def _token(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.subresource != "token" or attrs.verb != "create":
            return _refused("can only create tokens for individual service accounts")
        if self.refers(node, "serviceaccounts", attrs.namespace, attrs.name):
            return _ALLOWED
        return _refused(f"no relationship found between node '{node}' and this object")

    def _lease(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.verb not in ("get", "create", "update", "patch", "delete"):
            return _refused("can only get, create, update, patch, or delete a node lease")
        if attrs.namespace != "kube-node-lease":
            return _refused('can only access leases in the "kube-node-lease" system namespace')
        if attrs.verb != "create" and attrs.name != node:
            return _refused("can only access node lease with the same name as the requesting node")
        return _ALLOWED

    def _csi_node(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.verb not in ("get", "create", "update", "patch", "delete"):
            return _refused("can only get, create, update, patch, or delete a CSINode")
        if attrs.subresource:
            return _refused("cannot authorize CSINode subresources")
        if attrs.verb != "create" and attrs.name != node:
            return _refused("can only access CSINode with the same name as the requesting node")
        return _ALLOWED

    def _attachment(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.verb != "get" or attrs.subresource or not attrs.name:
            return _refused("can only get individual resources of this type")
        found = self._attachments.get(None, attrs.name)
        if found is not None and (found.get("spec") or {}).get("nodeName") == node:
            return _ALLOWED
        return _refused(f"no relationship found between node '{node}' and this object")

    def _resource_slice(self, _node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.subresource:
            return _refused("cannot authorize ResourceSlice subresources")
        return _ALLOWED

    def _node(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        # A kubelet sees its own Node only (v1.32: AuthorizeNodeWithSelectors); the list form needs a field selector
        # that this answer doesn't see, so list and watch stay with the role's rules.
        if attrs.verb in ("get", "update", "patch") and attrs.name and attrs.name != node:
            return _refused(f"node '{node}' cannot read '{attrs.name}', only its own Node object")
        return _ALLOWED if any(rule.allows(attrs) for rule in self._rules) else NO_OPINION


def _refused(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


def _quote(text: str) -> str:
    return f'"{text}"'


Check = Callable[[NodeAuthorizer, str, AuthorizationAttributes], Decision]
_reference: Final[Check] = NodeAuthorizer._by_reference  # noqa: SLF001 - a table of this class's own methods

_CHECKS: Final[dict[tuple[str, str], Check]] = {
    ("", "secrets"): _reference,
    ("", "configmaps"): _reference,
    ("", "persistentvolumeclaims"): _reference,
    ("", "persistentvolumes"): _reference,
    ("resource.k8s.io", "resourceclaims"): _reference,
    ("", "serviceaccounts"): NodeAuthorizer._token,  # noqa: SLF001 - as above
    ("", "nodes"): NodeAuthorizer._node,  # noqa: SLF001 - as above
    ("coordination.k8s.io", "leases"): NodeAuthorizer._lease,  # noqa: SLF001 - as above
    ("storage.k8s.io", "csinodes"): NodeAuthorizer._csi_node,  # noqa: SLF001 - as above
    ("storage.k8s.io", "volumeattachments"): NodeAuthorizer._attachment,  # noqa: SLF001 - as above
    ("resource.k8s.io", "resourceslices"): NodeAuthorizer._resource_slice,  # noqa: SLF001 - as above
}
