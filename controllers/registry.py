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
    node_lifecycle,
    pod_garbage_collection,
    replica_set,
    resource_quota,
    root_ca_publisher,
    service_account,
    service_account_tokens,
    service_cidr,
    taint_eviction,
    ttl_after_finished,
)
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
        needs: A flag without which it is left out.
    """

    name: str
    new: Callable[[Context], Controller]
    needs: str = ""


CONTROLLERS: tuple[Row, ...] = (
    Row("serviceaccount-controller", service_account.new),
    Row("serviceaccount-token-controller", service_account_tokens.new, needs="service_account_private_key_file"),
    Row("root-ca-certificate-publisher-controller", root_ca_publisher.new, needs="root_ca_file"),
    Row("namespace-controller", namespace.new),
    Row("service-cidr-controller", service_cidr.new),
    Row("endpointslice-controller", endpoint_slice.new),
    Row("endpointslice-mirroring-controller", endpoint_slice_mirroring.new),
    Row("endpoints-controller", endpoints.new),
    Row("replicaset-controller", replica_set.new),
    Row("replicationcontroller-controller", replica_set.new_replication),
    Row("deployment-controller", deployment.new),
    Row("statefulset-controller", stateful_set.new),
    Row("daemonset-controller", daemon_set.new),
    Row("job-controller", job.new),
    Row("cronjob-controller", cron_job.new),
    Row("horizontal-pod-autoscaler-controller", horizontal_pod_autoscaler.new),
    Row("garbage-collector-controller", garbage_collector.new),
    Row("pod-garbage-collector-controller", pod_garbage_collection.new),
    Row("node-lifecycle-controller", node_lifecycle.new),
    Row("persistentvolume-binder-controller", volume_binder.new),
    Row("persistentvolumeclaim-protection-controller", volume_protection.new_for_claims),
    Row("persistentvolume-protection-controller", volume_protection.new_for_volumes),
    Row("ephemeral-volume-controller", volume_ephemeral.new),
    Row("disruption-controller", disruption.new),
    Row("taint-eviction-controller", taint_eviction.new),
    Row("resourcequota-controller", resource_quota.new),
    Row("ttl-after-finished-controller", ttl_after_finished.new),
    Row("clusterrole-aggregation-controller", cluster_role_aggregation.new),
    Row("certificatesigningrequest-signing-controller", certificate_signing.new, needs="cluster_signing_key_file"),
    Row("certificatesigningrequest-approving-controller", certificate_approval.new),
    Row("certificatesigningrequest-cleaner-controller", certificate_cleaner.new),
)


def chosen(names: tuple[str, ...]) -> list[Row]:
    """The rows that `--controllers` asks for.

    Raises:
        ValueError: naming an unknown controller.
    """
    known = {row.name for row in CONTROLLERS}
    for name in names:
        if name != "*" and name.lstrip("-") not in known:
            raise ValueError(f'"{name.lstrip("-")}" is not in the list of known controllers')
    everything = "*" in names
    return [row for row in CONTROLLERS if f"-{row.name}" not in names and (everything or row.name in names)]
