"""NodeRestriction: a kubelet writes its own Node, the Pods bound to it, and little else.

What names an object that is created is the object itself, because the request's path doesn't.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.resources import lookup
from apiserver.admission.chain import CREATE, DELETE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.authorization.attributes import AuthorizationAttributes
from apiserver.authorization.node import node_name, pod_references

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


# What a mirror Pod may not refer to, in the order it is looked for; its kubelet could read it through the Pod.
_MIRROR_REFUSALS: Final = {
    "serviceaccounts": "a service account",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "clustertrustbundles": "clustertrustbundles",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "resourceclaims": "resourceclaims",
}
# What a kubelet reports of a claim.
_CLAIM_REPORTS: Final = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")


def _claim_statuses(pod: Obj) -> list[tuple[str, str | None]]:
    rows = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    return [(row.get("name", ""), row.get("resourceClaimName")) for row in rows]


def _claim_rest(claim: Obj) -> Obj:
    """Return what of a claim a kubelet must leave alone."""
    meta = {key: value for key, value in _meta(claim).items() if key not in ("resourceVersion", "managedFields")}
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in _CLAIM_REPORTS}
    return {"metadata": meta, "spec": claim.get("spec"), "status": status}


class NodeRestriction:
    """The plugin."""

    name = "NodeRestriction"

    def __init__(self, services: PluginServices) -> None:
        self._pods = services.listers("pods")
        self._nodes = services.listers("nodes")
        self._claims = services.listers("persistentvolumeclaims")
        self._volumes = services.listers("persistentvolumes")
        self._drivers = services.listers("csidrivers.storage.k8s.io")
        self._authorizer = services.authorizer

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """The resources kubelets write."""
        del subresource
        return operation in (CREATE, UPDATE, DELETE) and group_resource in _CHECKS

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
            self._pod_status(node, attrs)
        elif attrs.subresource == "eviction":
            if _spec(self._live_pod(attrs, attrs.name)).get("nodeName") != node:
                raise attrs.forbidden(f"node {node} can only evict pods with spec.nodeName set to itself")
        elif attrs.subresource:
            raise attrs.forbidden(
                f"unexpected pod subresource \"{attrs.subresource}\", only 'status' and 'eviction' are allowed"
            )
        elif attrs.operation == CREATE:
            self._mirror_pod(node, attrs)
        elif attrs.operation == DELETE:
            if _spec(attrs.old_object or self._live_pod(attrs, attrs.name)).get("nodeName") != node:
                raise attrs.forbidden(f'node "{node}" can only delete pods with spec.nodeName set to itself')
        else:
            raise attrs.forbidden(
                f'unexpected operation "{attrs.operation}", node "{node}" can only create and delete mirror pods'
            )

    def _live_pod(self, attrs: AdmissionAttributes, name: str) -> Obj:
        pod: Obj | None = self._pods.get(attrs.namespace, name)
        if pod is None:
            raise NotFound.of(lookup("pods"), name)
        return pod

    def _pod_status(self, node: str, attrs: AdmissionAttributes) -> None:
        new, old = attrs.object or {}, attrs.old_object or {}
        if _spec(old).get("nodeName") != node:
            own = "for pods with spec.nodeName set to itself"
            raise attrs.forbidden(f'node "{node}" can only update pod status {own}')
        if (_meta(new).get("labels") or {}) != (_meta(old).get("labels") or {}):
            raise attrs.forbidden(f'node "{node}" cannot update labels through pod status')
        if _claim_statuses(new) != _claim_statuses(old):
            raise attrs.forbidden(f'node "{node}" cannot update resource claim statues')

    def _mirror_pod(self, node: str, attrs: AdmissionAttributes) -> None:
        spec, meta = _spec(attrs.object), _meta(attrs.object)
        if _MIRROR not in (meta.get("annotations") or {}):
            raise attrs.forbidden(
                f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods'
            )
        if spec.get("nodeName") != node:
            raise attrs.forbidden(f'node "{node}" can only create pods with spec.nodeName set to itself')
        self._mirror_owner(node, attrs, meta.get("ownerReferences") or [])
        referred = {resource for resource, _, _ in pod_references(attrs.object or {})}
        sources = [
            source
            for volume in spec.get("volumes") or ()
            for source in (volume.get("projected") or {}).get("sources") or ()
        ]
        if any(source.get("clusterTrustBundle") for source in sources):
            referred.add("clustertrustbundles")
        if spec.get("resourceClaims"):
            referred.add("resourceclaims")
        for resource, text in _MIRROR_REFUSALS.items():
            if resource in referred:
                raise attrs.forbidden(f'node "{node}" can not create pods that reference {text}')

    def _mirror_owner(self, node: str, attrs: AdmissionAttributes, owners: list[Obj]) -> None:
        if len(owners) > 1:
            raise attrs.forbidden(f'node "{node}" can only create pods with a single owner reference set to itself')
        owner = owners[0] if owners else {}
        if owner.get("apiVersion") != "v1" or owner.get("kind") != "Node" or owner.get("name") != node:
            raise attrs.forbidden(f'node "{node}" can only create pods with an owner reference set to itself')
        if not owner.get("controller"):
            raise attrs.forbidden(f'node "{node}" can only create pods with a controller owner reference set to itself')
        if owner.get("blockOwnerDeletion"):
            raise attrs.forbidden(f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        live = self._nodes.get(None, node)
        if live is None:
            raise NotFound.of(lookup("nodes"), node)
        uid = live["metadata"].get("uid")
        if uid != owner.get("uid"):
            raise attrs.forbidden(f"node {node} UID mismatch: expected {owner.get('uid')} got {uid}")

    def _node(self, node: str, attrs: AdmissionAttributes) -> None:
        name = attrs.named()
        if name != node:
            raise attrs.forbidden(f'node "{node}" is not allowed to modify node "{name}"')
        new, old = attrs.object, attrs.old_object
        source = _spec(new).get("configSource")
        if attrs.operation == CREATE:
            if source:
                raise attrs.forbidden(f'node "{node}" is not allowed to create pods with a non-nil configSource')
            labels = forbidden_labels(_meta(new).get("labels") or {}, {})
            if labels:
                listed = ", ".join(labels)
                raise attrs.forbidden(f'node "{node}" is not allowed to set the following labels: {listed}')
        elif attrs.operation == UPDATE:
            if source and source != _spec(old).get("configSource"):
                raise attrs.forbidden(
                    f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
                )
            if (_spec(new).get("taints") or []) != (_spec(old).get("taints") or []):
                raise attrs.forbidden(f'node "{node}" is not allowed to modify taints')
            if (_meta(new).get("ownerReferences") or []) != (_meta(old).get("ownerReferences") or []):
                raise attrs.forbidden(f'node "{node}" is not allowed to modify ownerReferences')
            labels = forbidden_labels(_meta(new).get("labels") or {}, _meta(old).get("labels") or {})
            if labels:
                raise attrs.forbidden(f"is not allowed to modify labels: {', '.join(labels)}")

    def _claim(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.subresource != "status":
            raise attrs.forbidden("may only update PVC status")
        if attrs.operation != UPDATE:
            raise attrs.forbidden(f'unexpected operation "{attrs.operation}"')
        if _claim_rest(attrs.object or {}) != _claim_rest(attrs.old_object or {}):
            raise attrs.forbidden(
                f'node "{node}" is not allowed to update fields other than status.capacity and status.conditions'
            )

    def _token(self, node: str, attrs: AdmissionAttributes) -> None:
        if attrs.subresource != "token" or attrs.operation != CREATE:
            return
        reference = _spec(attrs.object).get("boundObjectRef") or {}
        if reference.get("apiVersion") != "v1" or reference.get("kind") != "Pod" or not reference.get("name"):
            raise attrs.forbidden("node requested token not bound to a pod")
        if not reference.get("uid"):
            raise attrs.forbidden("node requested token with a pod binding without a uid")
        pod = self._live_pod(attrs, reference["name"])
        if pod["metadata"].get("uid") != reference["uid"]:
            raise attrs.forbidden(
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
        if _spec(pod).get("nodeName") != node:
            raise attrs.forbidden("node requested token bound to a pod scheduled on a different node")
        self._audience(attrs, pod)

    def _audience(self, attrs: AdmissionAttributes, pod: Obj) -> None:
        """A kubelet asks for the audiences its Pod asks for, and those it may ask for by RBAC (KEP-4412)."""
        audiences = _spec(attrs.object).get("audiences") or [""]
        if len(audiences) > 1:
            raise attrs.forbidden("node may only request 0 or 1 audiences")
        audience = audiences[0]
        if audience in self._pod_audiences(pod):
            return
        question = AuthorizationAttributes(
            attrs.user,
            "request-serviceaccounts-token-audience",
            resource=audience,
            version="*",
            namespace=attrs.namespace,
            name=attrs.name,
        )
        if not self._authorizer.authorize(question).allowed:
            raise attrs.forbidden(f'audience "{audience}" not found in pod spec volume')

    def _pod_audiences(self, pod: Obj) -> set[str]:
        found: set[str] = set()
        for volume in _spec(pod).get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if source.get("serviceAccountToken"):
                    found.add(source["serviceAccountToken"].get("audience", ""))
            driver = self._drivers.get(None, self._driver(pod, volume))
            found.update(one.get("audience", "") for one in _spec(driver).get("tokenRequests") or ())
        return found

    def _driver(self, pod: Obj, volume: Obj) -> str:
        """Return the name of the CSI driver behind a volume, "" for volumes of other kinds."""
        if volume.get("csi"):
            return str(volume["csi"].get("driver", ""))
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if volume.get("ephemeral") is not None:
            claim = f"{pod['metadata']['name']}-{volume.get('name', '')}"
        if not claim:
            return ""
        bound = _spec(self._claims.get(pod["metadata"].get("namespace"), claim)).get("volumeName", "")
        return str((_spec(self._volumes.get(None, bound)).get("csi") or {}).get("driver", ""))

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
