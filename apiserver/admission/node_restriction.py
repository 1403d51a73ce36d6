"""NodeRestriction: a kubelet writes its own Node, the Pods bound to it, and little else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, DELETE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.authorization.node import node_name

_MIRROR: Final = "kubernetes.io/config.mirror"
_LEASES: Final = "leases.coordination.k8s.io"
_CSI_NODES: Final = "csinodes.storage.k8s.io"
_SLICES: Final = "resourceslices.resource.k8s.io"
_CSRS: Final = "certificatesigningrequests.certificates.k8s.io"
_ALLOWED_LABELS: Final = frozenset(
    {
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
_ALLOWED_NAMESPACES: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")


def _label_allowed(key: str) -> bool:
    prefix = key.partition("/")[0] if "/" in key else ""
    ours = any(prefix == domain or prefix.endswith("." + domain) for domain in ("kubernetes.io", "k8s.io"))
    if not ours or key in _ALLOWED_LABELS:
        return True
    return any(prefix == allowed or prefix.endswith("." + allowed) for allowed in _ALLOWED_NAMESPACES)


def forbidden_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    """Return the changed labels a kubelet may not set on its Node."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    restricted = {
        key
        for key in changed
        if key.partition("/")[0] == "node-restriction.kubernetes.io"
        or key.partition("/")[0].endswith(".node-restriction.kubernetes.io")
    }
    return sorted(restricted | {key for key in changed if not _label_allowed(key)})


def _spec(obj: Obj | None) -> Obj:
    return (obj or {}).get("spec") or {}


def _meta(obj: Obj | None) -> Obj:
    return (obj or {}).get("metadata") or {}


class NodeRestriction:
    """The plugin."""

    name = "NodeRestriction"

    def __init__(self, services: PluginServices) -> None:
        self._pods = services.listers("pods")
        self._nodes = services.listers("nodes")

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """The resources kubelets write."""
        del operation, subresource
        return group_resource in _CHECKS

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Check a kubelet's write."""
        node, is_node = node_name(attrs.user)
        if not is_node:
            return
        if not node:
            raise attrs.forbidden(f'could not determine node from user "{attrs.user.name}"')
        _CHECKS[attrs.group_resource](self, node, attrs)

    def _pod(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.subresource == "status":
            self._bound_pod(node, attrs, attrs.old_object, "update status of")
            new, old = _meta(attrs.object).get("labels"), _meta(attrs.old_object).get("labels")
            if (new or {}) != (old or {}):
                raise attrs.forbidden(f'node "{node}" cannot update labels through pod status')
            return
        if attrs.subresource == "eviction":
            pod = self._pods.get(attrs.namespace, attrs.name)
            if pod is not None and _spec(pod).get("nodeName") != node:
                raise attrs.forbidden(f'node "{node}" can only evict pods with spec.nodeName set to itself')
            return
        if attrs.subresource:
            raise attrs.forbidden(
                f'unexpected pod subresource "{attrs.subresource}", only "status" and "eviction" are allowed'
            )
        if attrs.operation == CREATE:
            self._mirror_pod(node, attrs)
        elif attrs.operation == DELETE:
            self._bound_pod(node, attrs, attrs.old_object or self._pods.get(attrs.namespace, attrs.name), "delete")
        else:
            raise attrs.forbidden(
                f'unexpected operation "{attrs.operation}", node "{node}" can only create and delete mirror pods'
            )

    def _bound_pod(self, node: str, attrs: AdmissionAttributes, pod: Obj | None, verb: str) -> None:
        if pod is not None and _spec(pod).get("nodeName") != node:
            raise attrs.forbidden(f'node "{node}" can only {verb} pods with spec.nodeName set to itself')

    def _mirror_pod(self, node: str, attrs: AdmissionAttributes) -> None:
        spec, meta = _spec(attrs.object), _meta(attrs.object)
        if _MIRROR not in (meta.get("annotations") or {}):
            raise attrs.forbidden(
                f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods'
            )
        if spec.get("nodeName") != node:
            raise attrs.forbidden(f'node "{node}" can only create pods with spec.nodeName set to itself')
        owners = meta.get("ownerReferences") or []
        if len(owners) > 1:
            raise attrs.forbidden(f'node "{node}" can only create pods with a single owner reference set to itself')
        for owner in owners:
            if owner.get("apiVersion") != "v1" or owner.get("kind") != "Node" or owner.get("name") != node:
                raise attrs.forbidden(f'node "{node}" can only create pods with an owner reference set to itself')
            live = self._nodes.get(None, node)
            if live is not None and live["metadata"].get("uid") != owner.get("uid"):
                raise attrs.forbidden(
                    f"node {node} UID mismatch: expected {live['metadata'].get('uid')} got {owner.get('uid')}"
                )
        if spec.get("serviceAccountName"):
            raise attrs.forbidden(f'node "{node}" can not create pods that reference a service account')

    def _node(self, node: str, attrs: AdmissionAttributes) -> None:
        name = attrs.named()
        if attrs.operation == CREATE and _spec(attrs.object).get("configSource"):
            raise attrs.forbidden(f'node "{node}" is not allowed to create pods with a non-nil configSource')
        if name != node:
            raise attrs.forbidden(f'node "{node}" is not allowed to modify node "{name}"')
        new, old = attrs.object, attrs.old_object
        if attrs.operation == DELETE:
            raise attrs.forbidden(f'node "{node}" is not allowed to delete node "{name}"')
        if attrs.operation == UPDATE and not attrs.subresource and _spec(new).get("taints") != _spec(old).get("taints"):
            raise attrs.forbidden(f'node "{node}" is not allowed to modify taints')
        if attrs.operation == UPDATE and _meta(new).get("ownerReferences") != _meta(old).get("ownerReferences"):
            raise attrs.forbidden(f'node "{node}" is not allowed to modify ownerReferences')
        labels = forbidden_labels(_meta(new).get("labels") or {}, _meta(old).get("labels") or {})
        if labels:
            verb = "set" if attrs.operation == CREATE else "modify"
            raise attrs.forbidden(f"is not allowed to {verb} the following labels: {', '.join(labels)}")

    def _claim(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.subresource != "status" or attrs.operation != UPDATE:
            raise attrs.forbidden(f'node "{node}" may only update PVC status')
        new, old = attrs.object or {}, attrs.old_object or {}
        if new.get("spec") != old.get("spec"):
            raise attrs.forbidden(f'node "{node}" is not allowed to update fields other than status')

    def _token(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.subresource != "token" or attrs.operation != CREATE:
            return
        reference = _spec(attrs.object).get("boundObjectRef")
        if not reference:
            raise attrs.forbidden("node requested token not bound to a pod")
        if reference.get("apiVersion") != "v1" or reference.get("kind") != "Pod" or not reference.get("name"):
            raise attrs.forbidden("node requested token not bound to a pod")
        pod = self._pods.get(attrs.namespace, reference["name"])
        if pod is None:
            raise attrs.forbidden(f'pod "{reference["name"]}" not found')
        if not reference.get("uid"):
            raise attrs.forbidden("node requested token with a pod binding without a uid")
        if pod["metadata"].get("uid") != reference["uid"]:
            raise attrs.forbidden(
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record "
                f"({pod['metadata'].get('uid')}). The object might have been deleted and then recreated"
            )
        if _spec(pod).get("nodeName") != node:
            raise attrs.forbidden("node requested token bound to a pod scheduled on a different node")

    def _lease(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.namespace != "kube-node-lease":
            raise attrs.forbidden('can only access leases in the "kube-node-lease" system namespace')
        if attrs.named() != node:
            raise attrs.forbidden("can only access node lease with the same name as the requesting node")

    def _csi_node(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.named() != node:
            raise attrs.forbidden("can only access CSINode with the same name as the requesting node")

    def _slice(self, node: str, attrs: AdmissionAttributes) -> None:
        obj = attrs.old_object if attrs.operation == DELETE else attrs.object
        if obj is not None and _spec(obj).get("nodeName") != node:
            raise attrs.forbidden("can only create ResourceSlice with the same NodeName as the requesting node")

    def _csr(self, _node: str, attrs: AdmissionAttributes) -> None:
        if attrs.operation != CREATE or attrs.subresource:
            return
        signer = _spec(attrs.object).get("signerName")
        if signer not in ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"):
            return
        import base64
        import binascii

        from cryptography import x509
        from cryptography.x509.oid import NameOID

        try:
            request = x509.load_pem_x509_csr(base64.b64decode(_spec(attrs.object).get("request", "")))
        except (ValueError, binascii.Error) as error:
            raise attrs.forbidden(f"unable to parse csr: {error}") from error
        names = [str(attribute.value) for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [attrs.user.name]:
            raise attrs.forbidden("can only create a node CSR with CN=" + attrs.user.name)


Check = Callable[[NodeRestriction, str, AdmissionAttributes], None]
_CHECKS: Final[dict[str, Check]] = {
    "pods": NodeRestriction._pod,  # noqa: SLF001 - a table of the class's own methods
    "nodes": NodeRestriction._node,  # noqa: SLF001 - as above
    "persistentvolumeclaims": NodeRestriction._claim,  # noqa: SLF001 - as above
    "serviceaccounts": NodeRestriction._token,  # noqa: SLF001 - as above
    _LEASES: NodeRestriction._lease,  # noqa: SLF001 - as above
    _CSI_NODES: NodeRestriction._csi_node,  # noqa: SLF001 - as above
    _SLICES: NodeRestriction._slice,  # noqa: SLF001 - as above
    _CSRS: NodeRestriction._csr,  # noqa: SLF001 - as above
}
