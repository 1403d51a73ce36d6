"""One row per built-in resource: what makes it different. Everything not named here follows from its identity.

`strategy(resource, allocators)` puts together shape (schema), meaning (defaults, validation: `apimachinery.apis`) and
policy (the rows below).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from apimachinery.apis.registry import apply_defaults, validate_create, validate_update, warnings
from apimachinery.objects.field_path import FieldError
from apimachinery.objects.metadata import Obj
from apimachinery.resources import RESOURCES, Resource
from apimachinery.schema.decode import decode
from apimachinery.schema.tables import schema_for
from apimachinery.schema.validate import unknown_fields
from apiserver.registry import generic
from apiserver.registry.apps import workloads
from apiserver.registry.core import event, namespace, node, persistent_volume, pod
from apiserver.registry.core.service import ServiceRules
from apiserver.registry.strategy import Call, Strategy

# Kinds whose metadata.generation counts changes of meaning.
_GENERATIONS = frozenset(
    {
        "replicationcontrollers",
        "podtemplates",
        "daemonsets.apps",
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "cronjobs.batch",
        "jobs.batch",
        "poddisruptionbudgets.policy",
        "ingresses.networking.k8s.io",
        "ingressclasses.networking.k8s.io",
        "networkpolicies.networking.k8s.io",
        "flowschemas.flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "endpointslices.discovery.k8s.io",
        "priorityclasses.scheduling.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "resourceslices.resource.k8s.io",
        "deviceclasses.resource.k8s.io",
        "csidrivers.storage.k8s.io",
    }
)

# Kinds that a PUT may create.
_CREATE_ON_UPDATE = frozenset(
    {
        "endpoints",
        "events",
        "events.events.k8s.io",
        "limitranges",
        "leases.coordination.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "runtimeclasses.node.k8s.io",
    }
)

# What every answer about a kind warns of.
DEPRECATED = {
    "componentstatuses": "v1 ComponentStatus is deprecated in v1.19+",
    "endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}

# Kinds whose PUT must tell the version it replaces.
_GUARDED = frozenset(
    {
        "leases.coordination.k8s.io",
        "poddisruptionbudgets.policy",
        "runtimeclasses.node.k8s.io",
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)

# Kinds whose DELETE answers with the object.
_RETURN_OBJECT = frozenset(
    {
        "pods",
        "persistentvolumes",
        "persistentvolumeclaims",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
        "storageclasses.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "csidrivers.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "resourceclaims.resource.k8s.io",
        "deviceclasses.resource.k8s.io",
        "resourceslices.resource.k8s.io",
        "resourceclaimtemplates.resource.k8s.io",
    }
)

# Further selectable fields: name -> path.
_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "replicationcontrollers": {"status.replicas": ("status", "replicas")},
    "replicasets.apps": {"status.replicas": ("status", "replicas")},
    "jobs.batch": {"status.successful": ("status", "succeeded")},
    "namespaces": {"status.phase": ("status", "phase"), "name": ("metadata", "name")},
    "nodes": {"spec.unschedulable": ("spec", "unschedulable")},
    "secrets": {"type": ("type",)},
    "services": {"spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
    "persistentvolumes": {"name": ("metadata", "name")},
    "persistentvolumeclaims": {"name": ("metadata", "name")},
    "certificatesigningrequests.certificates.k8s.io": {"spec.signerName": ("spec", "signerName")},
    "resourceslices.resource.k8s.io": {"spec.driver": ("spec", "driver"), "spec.nodeName": ("spec", "nodeName")},
    "ipaddresses.networking.k8s.io": {"spec.parentRef.resource": ("spec", "parentRef", "resource")},
    "apiservices.apiregistration.k8s.io": {"spec.version": ("spec", "version")},
}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _field_reader(paths: dict[str, tuple[str, ...]]) -> Callable[[Obj], dict[str, str]]:
    def read(obj: Obj) -> dict[str, str]:
        metadata = obj.get("metadata") or {}
        found = {"metadata.name": metadata.get("name", ""), "metadata.namespace": metadata.get("namespace", "")}
        for name, path in paths.items():
            value: object = obj
            for part in path:
                value = value.get(part) if isinstance(value, dict) else None
            if name == "spec.unschedulable":
                value = bool(value)
            elif name in ("status.replicas", "status.successful"):
                value = value or 0
            found[name] = _text(value)
        return found

    return read


def _generic(resource: Resource) -> Strategy:
    """Build the strategy that follows from a resource's identity."""
    api_version, kind, name = resource.api_version, resource.kind, resource.group_resource
    schema = schema_for(api_version, kind)
    counts = name in _GENERATIONS
    has_status = "status" in resource.subresources

    def defaults(obj: Obj) -> None:
        apply_defaults(api_version, kind, obj)

    def check_create(obj: Obj, call: Call) -> list[FieldError]:
        del call
        return validate_create(api_version, kind, obj)

    def check_update(new: Obj, old: Obj, call: Call) -> list[FieldError]:
        del call
        return validate_update(api_version, kind, new, old)

    strategy = Strategy(
        schema=schema,
        decode=lambda obj: decode(obj, schema) if schema is not None else obj,
        unknown_fields=lambda obj: unknown_fields(obj, schema) if schema is not None else [],
        apply_defaults=defaults,
        validate_create=check_create,
        validate_update=check_update,
        subresources={"status": generic.STATUS} if has_status else {},
        create_on_update=name in _CREATE_ON_UPDATE,
        returns_object=name in _RETURN_OBJECT,
        unconditional_update=name not in _GUARDED,
        warnings_of=lambda obj: warnings(api_version, kind, obj),
        deprecation=DEPRECATED.get(name, ""),
    )
    if counts:
        strategy = replace(strategy, prepare_create=generic.first_generation, prepare_update=generic.count_generation)
    elif has_status:
        strategy = replace(strategy, prepare_create=generic.reset_status, prepare_update=generic.keep_status)
    paths = _FIELDS.get(name)
    if paths:
        strategy = replace(
            strategy,
            selectable_fields=_field_reader(paths),
            field_names=frozenset({"metadata.name", "metadata.namespace", *paths}),
        )
    return strategy


_ROWS: dict[str, Callable[[Strategy], Strategy]] = {
    "pods": pod.strategy,
    "nodes": node.strategy,
    "namespaces": namespace.strategy,
    "events": event.strategy,
    "events.events.k8s.io": event.strategy,
    "persistentvolumes": persistent_volume.volume_strategy,
    "persistentvolumeclaims": persistent_volume.claim_strategy,
    "deployments.apps": workloads.deployment_strategy,
    "daemonsets.apps": workloads.strategy,
    "replicasets.apps": workloads.strategy,
    "statefulsets.apps": workloads.strategy,
    "replicationcontrollers": workloads.controller_strategy,
    "jobs.batch": workloads.job_strategy,
    "certificatesigningrequests.certificates.k8s.io": workloads.certificate_signing_request_strategy,
}


def strategies(services: ServiceRules, *, event_ttl: int) -> list[tuple[Resource, Strategy]]:
    """Return every resource stored by this server with its strategy."""
    rows = []
    for resource in RESOURCES:
        if "get" not in resource.verbs or resource.plural == "componentstatuses":
            continue
        strategy = _generic(resource)
        change = _ROWS.get(resource.group_resource)
        if change is not None:
            strategy = change(strategy)
        if resource.group_resource == "services":
            strategy = services.strategy(strategy)
        if resource.plural == "events":
            strategy = replace(strategy, ttl=event_ttl)
            if resource.group:
                strategy = replace(strategy, to_storage=event.to_core, from_storage=event.from_core)
        if resource.plural == "horizontalpodautoscalers" and resource.version == "v1":
            strategy = replace(strategy, to_storage=_to_v2, from_storage=_from_v2)
        rows.append((resource, strategy))
    return rows


async def _to_v2(obj: Obj) -> Obj:
    from apiserver.registry.autoscaling.horizontal_pod_autoscaler import to_v2

    return to_v2(obj)


async def _from_v2(objs: list[Obj]) -> list[Obj]:
    from apiserver.registry.autoscaling.horizontal_pod_autoscaler import from_v2

    return [from_v2(obj) for obj in objs]
