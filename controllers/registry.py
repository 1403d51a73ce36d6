"""The controllers by upstream's names, and how each is made."""

from collections.abc import Callable
from dataclasses import dataclass

from apimachinery.controller.runner import Controller
from controllers import (
    cluster_role_aggregation,
    disruption,
    endpoint_slice,
    endpoint_slice_mirroring,
    endpoints,
    namespace,
    node_ipam,
    node_lifecycle,
    node_ttl,
    pod_garbage_collection,
    replica_set,
    resource_quota,
    root_ca_publisher,
    service_account,
    service_account_tokens,
    service_cidr,
    taint_eviction,
    ttl_after_finished,
    validating_admission_policy_status,
)
from controllers.bootstrap import cleaner as token_cleaner
from controllers.bootstrap import signer as bootstrap_signer
from controllers.certificates import approval as certificate_approval
from controllers.certificates import cleaner as certificate_cleaner
from controllers.certificates import signing as certificate_signing
from controllers.context import Context
from controllers.cron_job import controller as cron_job
from controllers.daemon_set import controller as daemon_set
from controllers.deployment import controller as deployment
from controllers.garbage_collector import controller as garbage_collector
from controllers.horizontal_pod_autoscaler import controller as horizontal_pod_autoscaler
from controllers.job import controller as job
from controllers.persistent_volume import binder as volume_binder
from controllers.persistent_volume import ephemeral as volume_ephemeral
from controllers.persistent_volume import protection as volume_protection
from controllers.stateful_set import controller as stateful_set


@dataclass(frozen=True, slots=True)
class Row:
    """One controller.

    Attributes:
        name: As `--controllers` names it.
        new: Makes it.
        alias: Its name before Kubernetes 1.28, which still does.
        needs: A flag without which it is left out.
        on: Whether `*` means it too.
    """

    name: str
    new: Callable[[Context], Controller]
    alias: str = ""
    needs: str = ""
    on: bool = True


CONTROLLERS: tuple[Row, ...] = (
    Row("serviceaccount-controller", service_account.new, "serviceaccount"),
    Row(
        "serviceaccount-token-controller",
        service_account_tokens.new,
        "serviceaccount-token",
        needs="service_account_private_key_file",
    ),
    Row(
        "root-ca-certificate-publisher-controller",
        root_ca_publisher.new,
        "root-ca-cert-publisher",
        needs="root_ca_file",
    ),
    Row("namespace-controller", namespace.new, "namespace"),
    Row("service-cidr-controller", service_cidr.new),
    Row("endpointslice-controller", endpoint_slice.new, "endpointslice"),
    Row("endpointslice-mirroring-controller", endpoint_slice_mirroring.new, "endpointslicemirroring"),
    Row("endpoints-controller", endpoints.new, "endpoint"),
    Row("replicaset-controller", replica_set.new, "replicaset"),
    Row("replicationcontroller-controller", replica_set.new_replication, "replicationcontroller"),
    Row("deployment-controller", deployment.new, "deployment"),
    Row("statefulset-controller", stateful_set.new, "statefulset"),
    Row("daemonset-controller", daemon_set.new, "daemonset"),
    Row("job-controller", job.new, "job"),
    Row("cronjob-controller", cron_job.new, "cronjob"),
    Row("horizontal-pod-autoscaler-controller", horizontal_pod_autoscaler.new, "horizontalpodautoscaling"),
    Row("garbage-collector-controller", garbage_collector.new, "garbagecollector"),
    Row("pod-garbage-collector-controller", pod_garbage_collection.new, "podgc"),
    Row("node-lifecycle-controller", node_lifecycle.new, "nodelifecycle"),
    Row("node-ipam-controller", node_ipam.new, "nodeipam", needs="allocate_node_cidrs"),
    Row("ttl-controller", node_ttl.new, "ttl"),
    Row("persistentvolume-binder-controller", volume_binder.new, "persistentvolume-binder"),
    Row("persistentvolumeclaim-protection-controller", volume_protection.new_for_claims, "pvc-protection"),
    Row("persistentvolume-protection-controller", volume_protection.new_for_volumes, "pv-protection"),
    Row("volumeattributesclass-protection-controller", volume_protection.new_for_classes),
    Row("ephemeral-volume-controller", volume_ephemeral.new, "ephemeral-volume"),
    Row("disruption-controller", disruption.new, "disruption"),
    Row("taint-eviction-controller", taint_eviction.new),
    Row("resourcequota-controller", resource_quota.new, "resourcequota"),
    Row("ttl-after-finished-controller", ttl_after_finished.new, "ttl-after-finished"),
    Row("clusterrole-aggregation-controller", cluster_role_aggregation.new, "clusterrole-aggregation"),
    Row("validatingadmissionpolicy-status-controller", validating_admission_policy_status.new),
    Row(
        "certificatesigningrequest-signing-controller",
        certificate_signing.new,
        "csrsigning",
        needs="cluster_signing_key_file",
    ),
    Row("certificatesigningrequest-approving-controller", certificate_approval.new, "csrapproving"),
    Row("certificatesigningrequest-cleaner-controller", certificate_cleaner.new, "csrcleaner"),
    Row("bootstrap-signer-controller", bootstrap_signer.new, "bootstrapsigner", on=False),
    Row("token-cleaner-controller", token_cleaner.new, "tokencleaner", on=False),
)


def chosen(names: tuple[str, ...]) -> list[Row]:
    """The rows that `--controllers` asks for.

    Raises:
        ValueError: naming an unknown controller.
    """
    by_alias = {row.alias: row.name for row in CONTROLLERS if row.alias}
    asked = [f"-{by_alias.get(name[1:], name[1:])}" if name[:1] == "-" else by_alias.get(name, name) for name in names]
    known = {row.name for row in CONTROLLERS}
    for name in asked:
        if name != "*" and name.removeprefix("-") not in known:
            raise ValueError(f'"{name.removeprefix("-")}" is not in the list of known controllers')
    return [
        row for row in CONTROLLERS if f"-{row.name}" not in asked and (row.name in asked or ("*" in asked and row.on))
    ]
