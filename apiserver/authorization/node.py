"""The Node authorizer: what a kubelet may see follows from the Pods bound to its Node.

Keeps, per node, what its Pods refer to (Secrets, ConfigMaps, claims, ServiceAccounts, ResourceClaims), fed by the Pod
lister's keys of changed Pods (read when somebody asks). Lists and watches are allowed when a selector narrows them to
the node's own. Everything a kubelet may do regardless comes from the rules of the ClusterRole `system:node`; what it
may change is NodeRestriction's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.authentication.user import NODE_PREFIX, NODES_GROUP, UserInfo
from apiserver.authorization.attributes import NO_OPINION, AuthorizationAttributes, Decision
from apiserver.authorization.bootstrap_cluster_roles import CLUSTER_ROLES
from apiserver.authorization.rbac_bootstrap import parse_rule
from apiserver.authorization.rules import compile_rules

Reference = tuple[str, str, str]  # resource, namespace, name

_CLAIMS: Final = "persistentvolumeclaims"
_MIRROR: Final = "kubernetes.io/config.mirror"
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
    if volume.get("ephemeral") is not None:
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


# volume source of a PersistentVolume -> where references to Secrets stand that its node's kubelet reads
_PERSISTENT_VOLUME_SECRETS: Final[dict[str, tuple[str, ...]]] = {
    "cephfs": ("secretRef",),
    "cinder": ("secretRef",),
    "csi": ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"),
    "flexVolume": ("secretRef",),
    "iscsi": ("secretRef",),
    "rbd": ("secretRef",),
    "scaleIO": ("secretRef",),
    "storageos": ("secretRef",),
}


def persistent_volume_secrets(volume: Obj) -> set[tuple[str, str]]:
    """Return (namespace, name) of the Secrets a kubelet needs to mount a PersistentVolume."""
    spec = volume.get("spec") or {}
    owner = (spec.get("claimRef") or {}).get("namespace", "")
    out: set[tuple[str, str]] = set()
    for source, parts in _PERSISTENT_VOLUME_SECRETS.items():
        for part in parts:
            reference = (spec.get(source) or {}).get(part) or {}
            if reference.get("name"):
                out.add((reference.get("namespace") or owner, reference["name"]))
    azure = spec.get("azureFile") or {}
    if azure.get("secretName"):
        out.add((azure.get("secretNamespace") or owner, azure["secretName"]))
    return out


class NodeAuthorizer:
    """Allows kubelets what their Pods need."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        self._rules = compile_rules([parse_rule(line) for line in CLUSTER_ROLES["system:node"]])
        self._pods = listers("pods")
        self._claims = listers("persistentvolumeclaims")
        self._volumes = listers("persistentvolumes")
        self._attachments = listers("volumeattachments.storage.k8s.io")
        self._slices = listers("resourceslices.resource.k8s.io")
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
                # A mirror Pod refers to nothing: its kubelet wrote it, and could name whatever it wants to read.
                mirror = _MIRROR in (pod["metadata"].get("annotations") or {})
                references = {("pods", namespace, name)} if mirror else pod_references(pod)
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
            return name in self._volumes_of(counts)
        if resource == "secrets":
            volumes = (self._volumes.get(None, volume) for volume in self._volumes_of(counts))
            return any((namespace, name) in persistent_volume_secrets(volume) for volume in volumes if volume)
        return False

    def _volumes_of(self, references: Iterable[Reference]) -> set[str]:
        """Return the names of the volumes that claims among the references are bound to."""
        claims = (self._claims.get(namespace, name) for kind, namespace, name in references if kind == _CLAIMS)
        return {str(((claim or {}).get("spec") or {}).get("volumeName", "")) for claim in claims} - {""}

    def _related(self, node: str, attrs: AuthorizationAttributes, *, found: bool | None = None) -> Decision:
        if not attrs.name:
            return _refused("No Object name found")
        if found is None:
            found = self.refers(node, attrs.resource, attrs.namespace, attrs.name)
        return _ALLOWED if found else _refused(f"no relationship found between node '{node}' and this object")

    def _get(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.resource == _CLAIMS and attrs.subresource == "status":
            if attrs.verb not in ("update", "patch"):
                return _refused("can only get/update/patch this type")
            return self._related(node, attrs)
        if attrs.verb != "get":
            return _refused("can only get individual resources of this type")
        if attrs.subresource:
            return _refused("cannot get subresource")
        return self._related(node, attrs)

    def _read(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.verb not in ("get", "list", "watch"):
            return _refused("can only read resources of this type")
        if attrs.subresource:
            return _refused("cannot read subresource")
        if not attrs.namespace:
            return _refused("can only read namespaced object of this type")
        return self._related(node, attrs)

    def _service_account(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.verb == "get" and not attrs.subresource:
            return self._related(node, attrs)
        if attrs.verb != "create" or not attrs.name:
            return _refused("can only create tokens for individual service accounts")
        if attrs.subresource != "token":
            return _refused("can only create token subresource of serviceaccount")
        return self._related(node, attrs)

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
        if attrs.verb != "get":
            return _refused("can only get individual resources of this type")
        if attrs.subresource:
            return _refused("cannot get subresource")
        found = self._attachments.get(None, attrs.name)
        return self._related(node, attrs, found=_node_of(found) == node)

    def _resource_slice(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if attrs.subresource:
            return _refused("cannot authorize ResourceSlice subresources")
        if attrs.verb == "create":
            return _ALLOWED
        if attrs.verb in ("get", "update", "patch", "delete"):
            return self._related(node, attrs, found=_node_of(self._slices.get(None, attrs.name)) == node)
        if attrs.verb not in ("watch", "list", "deletecollection"):
            return _refused(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, "
                "delete, deletecollection"
            )
        # The selector is `spec.nodeName` since v1beta1 of the group; v1alpha's was `nodeName`.
        if any(_narrowed(attrs, field, node) for field in ("spec.nodeName", "nodeName")):
            return _ALLOWED
        return _refused("can only list/watch/deletecollection resourceslices with nodeName field selector")

    def _node(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if not attrs.subresource:
            if attrs.verb in ("create", "update", "patch"):
                return _ALLOWED
            if attrs.verb in ("get", "list", "watch"):
                if attrs.name == node:
                    return _ALLOWED
                what = f"'{attrs.name}'" if attrs.name else "all nodes"
                return _refused(f"node '{node}' cannot read {what}, only its own Node object")
        elif attrs.subresource == "status" and attrs.verb in ("update", "patch"):
            return _ALLOWED
        return NO_OPINION

    def _pod(self, node: str, attrs: AuthorizationAttributes) -> Decision:
        if not attrs.subresource:
            if attrs.verb == "get":
                return self._get(node, attrs)
            if attrs.verb in ("list", "watch"):
                if _narrowed(attrs, "spec.nodeName", node):
                    return _ALLOWED
                if attrs.name:
                    return self._related(node, attrs)
                return _refused("can only list/watch pods with spec.nodeName field selector")
        return _ALLOWED if (attrs.subresource, attrs.verb) in _POD_WRITES else NO_OPINION


# What a kubelet writes of Pods; NodeRestriction sees to it that they are its own.
_POD_WRITES: Final = frozenset(
    {("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create")}
)


def _node_of(obj: Obj | None) -> str:
    return str(((obj or {}).get("spec") or {}).get("nodeName", ""))


def _narrowed(attrs: AuthorizationAttributes, field: str, node: str) -> bool:
    return any(one.equal and one.field == field and one.value == node for one in attrs.field_selector)


def _refused(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


def _quote(text: str) -> str:
    return f'"{text}"'


Check = Callable[[NodeAuthorizer, str, AuthorizationAttributes], Decision]
_CHECKS: Final[dict[tuple[str, str], Check]] = {
    ("", "secrets"): NodeAuthorizer._read,  # noqa: SLF001 - a table of the class's own methods
    ("", "configmaps"): NodeAuthorizer._read,  # noqa: SLF001 - as above
    ("", _CLAIMS): NodeAuthorizer._get,  # noqa: SLF001 - as above
    ("", "persistentvolumes"): NodeAuthorizer._get,  # noqa: SLF001 - as above
    ("resource.k8s.io", "resourceclaims"): NodeAuthorizer._get,  # noqa: SLF001 - as above
    ("", "serviceaccounts"): NodeAuthorizer._service_account,  # noqa: SLF001 - as above
    ("", "nodes"): NodeAuthorizer._node,  # noqa: SLF001 - as above
    ("", "pods"): NodeAuthorizer._pod,  # noqa: SLF001 - as above
    ("coordination.k8s.io", "leases"): NodeAuthorizer._lease,  # noqa: SLF001 - as above
    ("storage.k8s.io", "csinodes"): NodeAuthorizer._csi_node,  # noqa: SLF001 - as above
    ("storage.k8s.io", "volumeattachments"): NodeAuthorizer._attachment,  # noqa: SLF001 - as above
    ("resource.k8s.io", "resourceslices"): NodeAuthorizer._resource_slice,  # noqa: SLF001 - as above
}
