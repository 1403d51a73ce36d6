"""The meaning of each kind, by table: its defaults and its validation.

A kind's module may have `apply_defaults(obj)` (in place), `validate(obj)` and `validate_update(new, old)` (lists of
`FieldError`), `validate_create(obj)` for what only a new object must obey, and `warnings(obj)`; what it lacks does
nothing. Modules are imported when their kind is first used. Metadata is validated here for all kinds.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from apimachinery.apis.object_meta import validate_meta, validate_meta_update
from apimachinery.objects.field_path import FieldError
from apimachinery.objects.metadata import Obj

_ADMISSION = "admissionregistration.webhooks"
KINDS: dict[tuple[str, str], str] = {
    ("v1", "ConfigMap"): "core.config_map",
    ("v1", "Endpoints"): "core.endpoints",
    ("v1", "Event"): "core.event",
    ("v1", "LimitRange"): "core.limit_range",
    ("v1", "Namespace"): "core.namespace",
    ("v1", "Node"): "core.node",
    ("v1", "PersistentVolume"): "core.persistent_volume",
    ("v1", "PersistentVolumeClaim"): "core.persistent_volume_claim",
    ("v1", "Pod"): "core.pod",
    ("v1", "PodTemplate"): "core.pod_template",
    ("v1", "ReplicationController"): "core.replication_controller",
    ("v1", "ResourceQuota"): "core.resource_quota",
    ("v1", "Secret"): "core.secret",
    ("v1", "Service"): "core.service",
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"): _ADMISSION,
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding"): _ADMISSION,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): _ADMISSION,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): _ADMISSION,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"): _ADMISSION,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): _ADMISSION,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): "apiextensions.custom_resource_definition",
    ("apiregistration.k8s.io/v1", "APIService"): "apiregistration.api_service",
    ("apps/v1", "ControllerRevision"): "apps.controller_revision",
    ("apps/v1", "DaemonSet"): "apps.daemon_set",
    ("apps/v1", "Deployment"): "apps.deployment",
    ("apps/v1", "ReplicaSet"): "apps.replica_set",
    ("apps/v1", "StatefulSet"): "apps.stateful_set",
    ("autoscaling/v1", "HorizontalPodAutoscaler"): "autoscaling.horizontal_pod_autoscaler",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling.horizontal_pod_autoscaler",
    ("batch/v1", "CronJob"): "batch.cron_job",
    ("batch/v1", "Job"): "batch.job",
    ("certificates.k8s.io/v1", "CertificateSigningRequest"): "certificates.certificate_signing_request",
    ("coordination.k8s.io/v1", "Lease"): "coordination.lease",
    ("discovery.k8s.io/v1", "EndpointSlice"): "discovery.endpoint_slice",
    ("events.k8s.io/v1", "Event"): "core.event",
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): "flowcontrol.flow_schemas",
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): "flowcontrol.priority_levels",
    ("networking.k8s.io/v1", "IPAddress"): "networking.ip_address",
    ("networking.k8s.io/v1", "Ingress"): "networking.ingress",
    ("networking.k8s.io/v1", "IngressClass"): "networking.ingress_class",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networking.network_policy",
    ("networking.k8s.io/v1", "ServiceCIDR"): "networking.service_cidr",
    ("node.k8s.io/v1", "RuntimeClass"): "node.runtime_class",
    ("policy/v1", "PodDisruptionBudget"): "policy.pod_disruption_budget",
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): "rbac.roles",
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): "rbac.roles",
    ("rbac.authorization.k8s.io/v1", "Role"): "rbac.roles",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rbac.roles",
    ("resource.k8s.io/v1", "DeviceClass"): "resource.device_class",
    ("resource.k8s.io/v1", "ResourceClaim"): "resource.resource_claim",
    ("resource.k8s.io/v1", "ResourceClaimTemplate"): "resource.resource_claim",
    ("resource.k8s.io/v1", "ResourceSlice"): "resource.resource_slice",
    ("scheduling.k8s.io/v1", "PriorityClass"): "scheduling.priority_class",
    ("storage.k8s.io/v1", "CSIDriver"): "storage.csi_driver",
    ("storage.k8s.io/v1", "CSINode"): "storage.csi_node",
    ("storage.k8s.io/v1", "CSIStorageCapacity"): "storage.csi_storage_capacity",
    ("storage.k8s.io/v1", "StorageClass"): "storage.storage_class",
    ("storage.k8s.io/v1", "VolumeAttachment"): "storage.volume_attachment",
    ("storage.k8s.io/v1", "VolumeAttributesClass"): "storage.volume_attributes_class",
}


@lru_cache(maxsize=256)
def _hook(api_version: str, kind: str, name: str) -> Callable[..., Any] | None:
    module = KINDS.get((api_version, kind))
    return getattr(import_module(f"apimachinery.apis.{module}"), name, None) if module else None


def apply_defaults(api_version: str, kind: str, obj: Obj) -> None:
    """Fill in an object, in place."""
    hook = _hook(api_version, kind, "apply_defaults")
    if hook is not None:
        hook(obj)


def validate_create(api_version: str, kind: str, obj: Obj) -> list[FieldError]:
    """Everything wrong with a new object (defaults are applied, the name is given)."""
    errors = validate_meta(api_version, kind, obj)
    for name in ("validate", "validate_create"):
        hook = _hook(api_version, kind, name)
        if hook is not None:
            errors.extend(hook(obj))
    return errors


def warnings(api_version: str, kind: str, obj: Obj) -> list[str]:
    """What its writer is to be told of an object that is valid all the same."""
    hook = _hook(api_version, kind, "warnings")
    return hook(obj) if hook is not None else []


def validate_update(api_version: str, kind: str, new: Obj, old: Obj) -> list[FieldError]:
    """Everything wrong with an object that is to replace another."""
    errors = validate_meta_update(api_version, kind, new, old)
    hook = _hook(api_version, kind, "validate_update")
    if hook is not None:
        errors.extend(hook(new, old))
    else:
        hook = _hook(api_version, kind, "validate")
        if hook is not None:
            errors.extend(hook(new))
    return errors
