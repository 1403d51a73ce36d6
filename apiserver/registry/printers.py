"""The columns of each kind, as kubectl prints them; kinds without a row show their name and when they were made."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import format_duration, seconds_since
from apimachinery.resources import Resource
from apiserver.registry import column_cells as cells
from apiserver.registry import column_makers as makers
from apiserver.registry import pod_columns

Cell = Callable[[Obj, datetime.datetime], Any]
WIDE = 1


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table.

    Attributes:
        name: Its heading.
        cell: Its value for an object at a time.
        kind: The type clients are told.
        form: The format; `name` for the column that names the object.
        description: For `kubectl` and other clients.
        priority: 0 always, 1 with `-o wide`.
    """

    name: str
    cell: Cell
    kind: str = "string"
    form: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> Obj:
        """The `columnDefinitions` entry."""
        return {
            "name": self.name,
            "type": self.kind,
            "format": self.form,
            "description": self.description,
            "priority": self.priority,
        }


def _name(obj: Obj, now: datetime.datetime) -> str:
    del now
    return str((obj.get("metadata") or {}).get("name") or "")


def _created(obj: Obj, now: datetime.datetime) -> Any:
    del now
    return (obj.get("metadata") or {}).get("creationTimestamp")


def _age(obj: Obj, now: datetime.datetime) -> str:
    created = (obj.get("metadata") or {}).get("creationTimestamp")
    return format_duration(seconds_since(created, now)) if created else "<unknown>"


NAME = Column("Name", _name, form="name", description="Name must be unique within a namespace.")
AGE = Column("Age", _age, description="Time since the object was created.")
CREATED = Column("Created At", _created, kind="date", description="When the object was created.")


def _text(name: str, path: str, *, default: Any = "<none>", wide: bool = False) -> Column:
    return _column(name, makers.at(path, default), wide=wide)


def _number(name: str, path: str, *, wide: bool = False) -> Column:
    return Column(name, makers.at(path, 0), kind="integer", priority=int(wide))


def _column(name: str, cell: Cell, *, wide: bool = False, kind: str = "string") -> Column:
    return Column(name, cell, kind=kind, priority=int(wide))


def _workload(containers: str = "spec.template.spec.containers") -> tuple[Column, ...]:
    return (
        _column("Containers", makers.container_names(containers), wide=True),
        _column("Images", makers.container_images(containers), wide=True),
    )


_SELECTOR = _column("Selector", makers.label_selector("spec.selector"), wide=True)
_MAP_SELECTOR = _column("Selector", makers.label_map("spec.selector"), wide=True)
_REPLICAS = (
    _number("Desired", "spec.replicas"),
    _number("Current", "status.replicas"),
    _number("Ready", "status.readyReplicas"),
    AGE,
    *_workload(),
)
_WEBHOOKS = (NAME, _column("Webhooks", makers.count("webhooks"), kind="integer"), AGE)
_BINDING = (
    NAME,
    _column("Role", cells.role_reference),
    AGE,
    _column("Users", cells.subjects("User"), wide=True),
    _column("Groups", cells.subjects("Group"), wide=True),
    _column("ServiceAccounts", cells.subjects("ServiceAccount"), wide=True),
)
_EVENT = (
    _column("Last Seen", cells.event_last_seen),
    _text("Type", "type", default=""),
    _text("Reason", "reason", default=""),
    _column("Object", cells.event_object),
    _column("Subobject", cells.event_subobject, wide=True),
    _column("Source", cells.event_source, wide=True),
    _column("Message", cells.event_message),
    _column("First Seen", cells.event_first_seen, wide=True),
    _column("Count", cells.event_count, wide=True, kind="integer"),
    Column("Name", _name, form="name", priority=WIDE),
)
_AUTOSCALER = (
    NAME,
    _column("Reference", cells.scale_target),
    _column("Targets", cells.autoscaler_targets),
    _text("MinPods", "spec.minReplicas", default="<unset>"),
    _number("MaxPods", "spec.maxReplicas"),
    _number("Replicas", "status.currentReplicas"),
    AGE,
)

COLUMNS: dict[str, Sequence[Column]] = {
    "pods": (
        NAME,
        _column("Ready", pod_columns.ready),
        _column("Status", pod_columns.status),
        _column("Restarts", pod_columns.restarts),
        AGE,
        _column("IP", pod_columns.address, wide=True),
        _text("Node", "spec.nodeName", wide=True),
        _text("Nominated Node", "status.nominatedNodeName", wide=True),
        _column("Readiness Gates", pod_columns.gates, wide=True),
    ),
    "podtemplates": (
        NAME,
        _column("Containers", makers.container_names("template.spec.containers")),
        _column("Images", makers.container_images("template.spec.containers")),
        _column("Pod Labels", makers.label_map("template.metadata.labels")),
    ),
    "replicationcontrollers": (NAME, *_REPLICAS, _MAP_SELECTOR),
    "replicasets.apps": (NAME, *_REPLICAS, _SELECTOR),
    "deployments.apps": (
        NAME,
        _column("Ready", cells.deployment_ready),
        _number("Up-to-date", "status.updatedReplicas"),
        _number("Available", "status.availableReplicas"),
        AGE,
        *_workload(),
        _SELECTOR,
    ),
    "daemonsets.apps": (
        NAME,
        _number("Desired", "status.desiredNumberScheduled"),
        _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"),
        _number("Up-to-date", "status.updatedNumberScheduled"),
        _number("Available", "status.numberAvailable"),
        _column("Node Selector", makers.label_map("spec.template.spec.nodeSelector")),
        AGE,
        *_workload(),
        _SELECTOR,
    ),
    "statefulsets.apps": (NAME, _column("Ready", cells.deployment_ready), AGE, *_workload()),
    "controllerrevisions.apps": (
        NAME,
        _column("Controller", cells.controller_reference),
        _number("Revision", "revision"),
        AGE,
    ),
    "jobs.batch": (
        NAME,
        _column("Status", cells.job_status),
        _column("Completions", cells.job_completions),
        _column("Duration", cells.job_duration),
        AGE,
        *_workload(),
        _SELECTOR,
    ),
    "cronjobs.batch": (
        NAME,
        _text("Schedule", "spec.schedule", default=""),
        _text("Timezone", "spec.timeZone"),
        _column("Suspend", makers.boolean("spec.suspend"), kind="string"),
        _column("Active", makers.count("status.active"), kind="integer"),
        _column("Last Schedule", makers.since("status.lastScheduleTime", "<none>")),
        AGE,
        *_workload("spec.jobTemplate.spec.template.spec.containers"),
        _column("Selector", makers.label_selector("spec.jobTemplate.spec.selector"), wide=True),
    ),
    "services": (
        NAME,
        _text("Type", "spec.type", default=""),
        _column("Cluster-IP", cells.cluster_ip),
        _column("External-IP", cells.external_ip),
        _column("Port(s)", cells.service_ports),
        AGE,
        _MAP_SELECTOR,
    ),
    "endpoints": (NAME, _column("Endpoints", cells.endpoint_addresses), AGE),
    "endpointslices.discovery.k8s.io": (
        NAME,
        _text("AddressType", "addressType", default=""),
        _column("Ports", cells.slice_ports),
        _column("Endpoints", cells.slice_endpoints),
        AGE,
    ),
    "nodes": (
        NAME,
        _column("Status", cells.node_status),
        _column("Roles", cells.node_roles),
        AGE,
        _text("Version", "status.nodeInfo.kubeletVersion", default=""),
        _column("Internal-IP", cells.node_address("InternalIP"), wide=True),
        _column("External-IP", cells.node_address("ExternalIP"), wide=True),
        _text("OS-Image", "status.nodeInfo.osImage", default="<unknown>", wide=True),
        _text("Kernel-Version", "status.nodeInfo.kernelVersion", default="<unknown>", wide=True),
        _text("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", default="<unknown>", wide=True),
    ),
    "events": _EVENT,
    "events.events.k8s.io": _EVENT,
    "namespaces": (NAME, _text("Status", "status.phase", default=""), AGE),
    "secrets": (
        NAME,
        _text("Type", "type", default=""),
        _column("Data", makers.count("data"), kind="integer"),
        AGE,
    ),
    "configmaps": (NAME, _column("Data", makers.count("data", "binaryData"), kind="integer"), AGE),
    "serviceaccounts": (NAME, _column("Secrets", makers.count("secrets"), kind="integer"), AGE),
    "persistentvolumes": (
        NAME,
        _text("Capacity", "spec.capacity.storage", default=""),
        _column("Access Modes", cells.access_modes("spec.accessModes")),
        _text("Reclaim Policy", "spec.persistentVolumeReclaimPolicy", default=""),
        _column("Status", cells.volume_phase),
        _column("Claim", cells.volume_claim),
        _column("StorageClass", cells.storage_class("spec.storageClassName")),
        _text("VolumeAttributesClass", "spec.volumeAttributesClassName", default="<unset>"),
        _text("Reason", "status.reason", default=""),
        AGE,
        _text("VolumeMode", "spec.volumeMode", default="<unset>", wide=True),
    ),
    "persistentvolumeclaims": (
        NAME,
        _column("Status", cells.volume_phase),
        _text("Volume", "spec.volumeName", default=""),
        _column("Capacity", cells.claim_capacity),
        _column("Access Modes", cells.claim_modes),
        _column("StorageClass", cells.storage_class("spec.storageClassName")),
        _text("VolumeAttributesClass", "spec.volumeAttributesClassName", default="<unset>"),
        AGE,
        _text("VolumeMode", "spec.volumeMode", default="<unset>", wide=True),
    ),
    "componentstatuses": (
        NAME,
        _column("Status", cells.component_status),
        _column("Message", cells.component_message("message")),
        _column("Error", cells.component_message("error")),
    ),
    "resourcequotas": (
        NAME,
        _column("Request", cells.quota(limits=False)),
        _column("Limit", cells.quota(limits=True)),
        AGE,
    ),
    "ingresses.networking.k8s.io": (
        NAME,
        _column("Class", cells.ingress_class),
        _column("Hosts", cells.ingress_hosts),
        _column("Address", cells.load_balancer_addresses),
        _column("Ports", cells.ingress_ports),
        AGE,
    ),
    "ingressclasses.networking.k8s.io": (
        NAME,
        _text("Controller", "spec.controller", default=""),
        _column("Parameters", cells.ingress_parameters),
        AGE,
    ),
    "networkpolicies.networking.k8s.io": (
        NAME,
        _column("Pod-Selector", makers.label_selector("spec.podSelector")),
        AGE,
    ),
    "servicecidrs.networking.k8s.io": (NAME, _column("CIDRs", makers.joined("spec.cidrs")), AGE),
    "ipaddresses.networking.k8s.io": (NAME, _column("ParentRef", cells.address_parent), AGE),
    "horizontalpodautoscalers.autoscaling": _AUTOSCALER,
    "poddisruptionbudgets.policy": (
        NAME,
        _text("Min Available", "spec.minAvailable", default="N/A"),
        _text("Max Unavailable", "spec.maxUnavailable", default="N/A"),
        _number("Allowed Disruptions", "status.disruptionsAllowed"),
        AGE,
    ),
    "roles.rbac.authorization.k8s.io": (NAME, CREATED),
    "clusterroles.rbac.authorization.k8s.io": (NAME, CREATED),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "certificatesigningrequests.certificates.k8s.io": (
        NAME,
        AGE,
        _text("SignerName", "spec.signerName"),
        _text("Requestor", "spec.username", default=""),
        _column("RequestedDuration", cells.requested_duration),
        _column("Condition", cells.signing_condition),
    ),
    "leases.coordination.k8s.io": (NAME, _text("Holder", "spec.holderIdentity", default=""), AGE),
    "priorityclasses.scheduling.k8s.io": (
        NAME,
        _number("Value", "value"),
        _column("Global-Default", makers.flag("globalDefault"), kind="boolean"),
        AGE,
        _text("PreemptionPolicy", "preemptionPolicy", default=""),
    ),
    "runtimeclasses.node.k8s.io": (NAME, _text("Handler", "handler", default=""), AGE),
    "volumeattachments.storage.k8s.io": (
        NAME,
        _text("Attacher", "spec.attacher", default=""),
        _text("PV", "spec.source.persistentVolumeName", default=""),
        _text("Node", "spec.nodeName", default=""),
        _column("Attached", makers.flag("status.attached"), kind="boolean"),
        AGE,
    ),
    "csinodes.storage.k8s.io": (NAME, _column("Drivers", makers.count("spec.drivers"), kind="integer"), AGE),
    "csidrivers.storage.k8s.io": (
        NAME,
        _column("AttachRequired", makers.flag("spec.attachRequired"), kind="boolean"),
        _column("PodInfoOnMount", makers.flag("spec.podInfoOnMount"), kind="boolean"),
        _column("StorageCapacity", makers.flag("spec.storageCapacity"), kind="boolean"),
        _column("TokenRequests", cells.token_audiences),
        _column("RequiresRepublish", makers.flag("spec.requiresRepublish"), kind="boolean"),
        _column("Modes", makers.joined("spec.volumeLifecycleModes")),
        AGE,
    ),
    "csistoragecapacities.storage.k8s.io": (
        NAME,
        _text("StorageClassName", "storageClassName", default=""),
        _text("Capacity", "capacity", default=""),
    ),
    "storageclasses.storage.k8s.io": (
        Column("Name", cells.storage_class_name, form="name"),
        _text("Provisioner", "provisioner", default=""),
        _text("ReclaimPolicy", "reclaimPolicy", default="Delete"),
        _text("VolumeBindingMode", "volumeBindingMode", default="<unset>"),
        _column("AllowVolumeExpansion", makers.flag("allowVolumeExpansion"), kind="string"),
        AGE,
    ),
    "volumeattributesclasses.storage.k8s.io": (NAME, _text("DriverName", "driverName", default=""), AGE),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "validatingadmissionpolicies.admissionregistration.k8s.io": (
        NAME,
        _column("Validations", makers.count("spec.validations"), kind="integer"),
        _column("ParamKind", cells.parameter_kind),
        AGE,
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": (
        NAME,
        _text("PolicyName", "spec.policyName", default=""),
        _column("ParamRef", cells.parameter_reference),
        AGE,
    ),
    "mutatingadmissionpolicies.admissionregistration.k8s.io": (
        NAME,
        _column("Mutations", makers.count("spec.mutations"), kind="integer"),
        _column("ParamKind", cells.parameter_kind),
        AGE,
    ),
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": (
        NAME,
        _text("PolicyName", "spec.policyName", default=""),
        _column("ParamRef", cells.parameter_reference),
        AGE,
    ),
    "flowschemas.flowcontrol.apiserver.k8s.io": (
        NAME,
        _text("PriorityLevel", "spec.priorityLevelConfiguration.name", default=""),
        _number("MatchingPrecedence", "spec.matchingPrecedence"),
        _text("DistinguisherMethod", "spec.distinguisherMethod.type"),
        AGE,
        _column("MissingPL", cells.missing_priority_level),
    ),
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": (
        NAME,
        _text("Type", "spec.type", default=""),
        _text("NominalConcurrencyShares", "spec.limited.nominalConcurrencyShares"),
        _text("Queues", "spec.limited.limitResponse.queuing.queues"),
        _text("HandSize", "spec.limited.limitResponse.queuing.handSize"),
        _text("QueueLengthLimit", "spec.limited.limitResponse.queuing.queueLengthLimit"),
        AGE,
    ),
    "customresourcedefinitions.apiextensions.k8s.io": (NAME, CREATED),
    "apiservices.apiregistration.k8s.io": (
        NAME,
        _column("Service", cells.api_service_backend),
        _column("Available", cells.api_service_available),
        AGE,
    ),
    "resourceclaims.resource.k8s.io": (NAME, _column("State", cells.claim_state), AGE),
    "resourceclaimtemplates.resource.k8s.io": (NAME, AGE),
    "deviceclasses.resource.k8s.io": (NAME, AGE),
    "resourceslices.resource.k8s.io": (
        NAME,
        _text("Node", "spec.nodeName", default=""),
        _text("Driver", "spec.driver", default=""),
        _text("Pool", "spec.pool.name", default=""),
        AGE,
    ),
}
DEFAULT: Sequence[Column] = (NAME, CREATED)


@lru_cache(maxsize=256)
def columns_of(resource: Resource) -> Sequence[Column]:
    """The columns of a built-in resource."""
    return COLUMNS.get(resource.group_resource, DEFAULT)
