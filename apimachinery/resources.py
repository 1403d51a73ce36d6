"""The identity of every built-in resource: group, version, kind, plural, scope, short names, categories, subresources.

What the schemas lack stands here, one row per served resource of Kubernetes v1.36 (GA, and beta that is on by default).
"""

from dataclasses import dataclass
from functools import lru_cache

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version.

    Attributes:
        subresources: Names such as `status`, `scale`, `log`.
        verbs: What the resource itself supports; `("create",)` for the virtual ones (reviews).
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        """The kind of its lists."""
        return f"{self.kind}List"

    @property
    def group_resource(self) -> str:
        """`pods` or `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, an object, or a subresource. No namespace: across all namespaces."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = f"/{name}" if name else ""
        if subresource:
            tail += f"/{subresource}"
        return f"{root}{space}/{self.plural}{tail}"


_ALL = ("all",)
_STATUS = ("status",)
_SCALE = ("scale", "status")


def _core() -> tuple[Resource, ...]:
    def row(kind: str, plural: str, namespaced: bool, short: str = "", **more: tuple[str, ...]) -> Resource:  # noqa: FBT001
        return Resource("", "v1", kind, plural, namespaced, kind.lower(), tuple(short.split()), **more)

    return (
        row("Binding", "bindings", True, verbs=CREATE_ONLY),
        row("ComponentStatus", "componentstatuses", False, "cs", verbs=("get", "list")),
        row("ConfigMap", "configmaps", True, "cm"),
        row("Endpoints", "endpoints", True, "ep"),
        row("Event", "events", True, "ev"),
        row("LimitRange", "limitranges", True, "limits"),
        row(
            "Namespace",
            "namespaces",
            False,
            "ns",
            subresources=("finalize", "status"),
            verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        ),
        row("Node", "nodes", False, "no", subresources=("proxy", "status")),
        row("PersistentVolumeClaim", "persistentvolumeclaims", True, "pvc", subresources=_STATUS),
        row("PersistentVolume", "persistentvolumes", False, "pv", subresources=_STATUS),
        row(
            "Pod",
            "pods",
            True,
            "po",
            categories=_ALL,
            subresources=(
                "attach",
                "binding",
                "ephemeralcontainers",
                "eviction",
                "exec",
                "log",
                "portforward",
                "proxy",
                "resize",
                "status",
            ),
        ),
        row("PodTemplate", "podtemplates", True),
        row("ReplicationController", "replicationcontrollers", True, "rc", categories=_ALL, subresources=_SCALE),
        row("ResourceQuota", "resourcequotas", True, "quota", subresources=_STATUS),
        row("Secret", "secrets", True),
        row("ServiceAccount", "serviceaccounts", True, "sa", subresources=("token",)),
        row("Service", "services", True, "svc", categories=_ALL, subresources=("proxy", "status")),
    )


def _group(
    group: str, version: str, *rows: tuple[str, str, bool, str, tuple[str, ...], tuple[str, ...]]
) -> tuple[Resource, ...]:
    return tuple(
        Resource(group, version, kind, plural, namespaced, kind.lower(), tuple(short.split()), categories, subresources)
        for kind, plural, namespaced, short, categories, subresources in rows
    )


def _reviews() -> tuple[Resource, ...]:
    def row(group: str, kind: str, plural: str, namespaced: bool = False) -> Resource:  # noqa: FBT001, FBT002
        return Resource(group, "v1", kind, plural, namespaced, kind.lower(), verbs=CREATE_ONLY)

    authentication, authorization = "authentication.k8s.io", "authorization.k8s.io"
    return (
        row(authentication, "SelfSubjectReview", "selfsubjectreviews"),
        row(authentication, "TokenReview", "tokenreviews"),
        row(authorization, "LocalSubjectAccessReview", "localsubjectaccessreviews", True),
        row(authorization, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        row(authorization, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        row(authorization, "SubjectAccessReview", "subjectaccessreviews"),
    )


_NONE: tuple[str, ...] = ()
_EXTENSIONS = ("api-extensions",)

RESOURCES: tuple[Resource, ...] = (
    *_core(),
    *_group(
        "admissionregistration.k8s.io",
        "v1",
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies", False, "", _EXTENSIONS, _NONE),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", False, "", _EXTENSIONS, _NONE),
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", False, "", _EXTENSIONS, _NONE),
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies", False, "", _EXTENSIONS, _STATUS),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", False, "", _EXTENSIONS, _NONE),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False, "", _EXTENSIONS, _NONE),
    ),
    *_group(
        "apiextensions.k8s.io",
        "v1",
        ("CustomResourceDefinition", "customresourcedefinitions", False, "crd crds", _EXTENSIONS, _STATUS),
    ),
    *_group("apiregistration.k8s.io", "v1", ("APIService", "apiservices", False, "", _EXTENSIONS, _STATUS)),
    *_group(
        "apps",
        "v1",
        ("ControllerRevision", "controllerrevisions", True, "", _NONE, _NONE),
        ("DaemonSet", "daemonsets", True, "ds", _ALL, _STATUS),
        ("Deployment", "deployments", True, "deploy", _ALL, _SCALE),
        ("ReplicaSet", "replicasets", True, "rs", _ALL, _SCALE),
        ("StatefulSet", "statefulsets", True, "sts", _ALL, _SCALE),
    ),
    *_reviews(),
    *_group("autoscaling", "v2", ("HorizontalPodAutoscaler", "horizontalpodautoscalers", True, "hpa", _ALL, _STATUS)),
    *_group("autoscaling", "v1", ("HorizontalPodAutoscaler", "horizontalpodautoscalers", True, "hpa", _ALL, _STATUS)),
    *_group(
        "batch",
        "v1",
        ("CronJob", "cronjobs", True, "cj", _ALL, _STATUS),
        ("Job", "jobs", True, "", _ALL, _STATUS),
    ),
    *_group(
        "certificates.k8s.io",
        "v1",
        ("CertificateSigningRequest", "certificatesigningrequests", False, "csr", _NONE, ("approval", "status")),
    ),
    *_group("coordination.k8s.io", "v1", ("Lease", "leases", True, "", _NONE, _NONE)),
    *_group("discovery.k8s.io", "v1", ("EndpointSlice", "endpointslices", True, "", _NONE, _NONE)),
    *_group("events.k8s.io", "v1", ("Event", "events", True, "ev", _NONE, _NONE)),
    *_group(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        ("FlowSchema", "flowschemas", False, "", _NONE, _STATUS),
        ("PriorityLevelConfiguration", "prioritylevelconfigurations", False, "", _NONE, _STATUS),
    ),
    *_group(
        "networking.k8s.io",
        "v1",
        ("IPAddress", "ipaddresses", False, "ip", _NONE, _NONE),
        ("IngressClass", "ingressclasses", False, "", _NONE, _NONE),
        ("Ingress", "ingresses", True, "ing", _NONE, _STATUS),
        ("NetworkPolicy", "networkpolicies", True, "netpol", _NONE, _NONE),
        ("ServiceCIDR", "servicecidrs", False, "", _NONE, _STATUS),
    ),
    *_group("node.k8s.io", "v1", ("RuntimeClass", "runtimeclasses", False, "", _NONE, _NONE)),
    *_group("policy", "v1", ("PodDisruptionBudget", "poddisruptionbudgets", True, "pdb", _NONE, _STATUS)),
    *_group(
        "rbac.authorization.k8s.io",
        "v1",
        ("ClusterRoleBinding", "clusterrolebindings", False, "", _NONE, _NONE),
        ("ClusterRole", "clusterroles", False, "", _NONE, _NONE),
        ("RoleBinding", "rolebindings", True, "", _NONE, _NONE),
        ("Role", "roles", True, "", _NONE, _NONE),
    ),
    *_group(
        "resource.k8s.io",
        "v1",
        ("DeviceClass", "deviceclasses", False, "", _NONE, _NONE),
        ("ResourceClaim", "resourceclaims", True, "", _NONE, _STATUS),
        ("ResourceClaimTemplate", "resourceclaimtemplates", True, "", _NONE, _NONE),
        ("ResourceSlice", "resourceslices", False, "", _NONE, _NONE),
    ),
    *_group("scheduling.k8s.io", "v1", ("PriorityClass", "priorityclasses", False, "pc", _NONE, _NONE)),
    *_group(
        "storage.k8s.io",
        "v1",
        ("CSIDriver", "csidrivers", False, "", _NONE, _NONE),
        ("CSINode", "csinodes", False, "", _NONE, _NONE),
        ("CSIStorageCapacity", "csistoragecapacities", True, "", _NONE, _NONE),
        ("StorageClass", "storageclasses", False, "sc", _NONE, _NONE),
        ("VolumeAttachment", "volumeattachments", False, "", _NONE, _STATUS),
        ("VolumeAttributesClass", "volumeattributesclasses", False, "vac", _NONE, _NONE),
    ),
)

_BY_KIND = {(resource.api_version, resource.kind): resource for resource in RESOURCES}


@lru_cache(maxsize=256)
def lookup(name: str) -> Resource:
    """The resource named `pods`, `deployments.apps`, or `horizontalpodautoscalers.v1.autoscaling`.

    Raises:
        KeyError: if there is none.
    """
    plural, _, group = name.partition(".")
    for resource in RESOURCES:
        if resource.plural == plural and group in (resource.group, f"{resource.version}.{resource.group}"):
            return resource
    raise KeyError(name)


def lookup_kind(api_version: str, kind: str) -> Resource:
    """The resource of a kind.

    Raises:
        KeyError: if there is none.
    """
    return _BY_KIND[(api_version, kind)]
