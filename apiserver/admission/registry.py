"""The admission plugins in upstream's order, and which are on."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from apiserver.admission.chain import Chain, Plugin, PluginServices
from apiserver.admission.escalation import Escalation
from apiserver.admission.expression_check import ExpressionCheck
from apiserver.admission.metrics import AdmissionMetrics
from apiserver.admission.plugin_configuration import read_plugin_configuration
from component.metrics import Registry

# name -> (module, class, on by default)
PLUGINS: Final[dict[str, tuple[str, str, bool]]] = {
    "AlwaysAdmit": ("always", "AlwaysAdmit", False),
    "NamespaceAutoProvision": ("namespace_exists", "NamespaceAutoProvision", False),
    "NamespaceLifecycle": ("namespace_lifecycle", "NamespaceLifecycle", True),
    "NamespaceExists": ("namespace_exists", "NamespaceExists", False),
    "LimitPodHardAntiAffinityTopology": (
        "limit_pod_hard_anti_affinity_topology",
        "LimitPodHardAntiAffinityTopology",
        False,
    ),
    "LimitRanger": ("limit_ranger", "LimitRanger", True),
    "ServiceAccount": ("service_account", "ServiceAccount", True),
    "NodeRestriction": ("node_restriction", "NodeRestriction", False),
    "TaintNodesByCondition": ("taint_nodes_by_condition", "TaintNodesByCondition", True),
    "AlwaysPullImages": ("always_pull_images", "AlwaysPullImages", False),
    "PodSecurity": ("pod_security", "PodSecurity", True),
    "PodNodeSelector": ("pod_node_selector", "PodNodeSelector", False),
    "Priority": ("priority", "Priority", True),
    "DefaultTolerationSeconds": ("default_toleration_seconds", "DefaultTolerationSeconds", True),
    "PodTolerationRestriction": ("pod_toleration_restriction", "PodTolerationRestriction", False),
    "EventRateLimit": ("event_rate_limit", "EventRateLimit", False),
    "ExtendedResourceToleration": ("extended_resource_toleration", "ExtendedResourceToleration", False),
    "DefaultStorageClass": ("default_storage_class", "DefaultStorageClass", True),
    "StorageObjectInUseProtection": ("storage_object_in_use_protection", "StorageObjectInUseProtection", True),
    "OwnerReferencesPermissionEnforcement": ("owner_references", "OwnerReferencesPermissionEnforcement", False),
    "PersistentVolumeClaimResize": ("persistent_volume_claim_resize", "PersistentVolumeClaimResize", True),
    "RuntimeClass": ("runtime_class", "RuntimeClass", True),
    "CertificateApproval": ("certificate_signing", "CertificateApproval", True),
    "CertificateSigning": ("certificate_signing", "CertificateSigning", True),
    "ClusterTrustBundleAttest": ("certificate_signing", "ClusterTrustBundleAttest", True),
    "CertificateSubjectRestriction": ("certificate_signing", "CertificateSubjectRestriction", True),
    "DefaultIngressClass": ("default_ingress_class", "DefaultIngressClass", True),
    "DenyServiceExternalIPs": ("deny_service_external_ips", "DenyServiceExternalIPs", False),
    "PodTopologyLabels": ("pod_topology_labels", "PodTopologyLabels", True),
    "MutatingAdmissionPolicy": ("mutating_admission_policy", "MutatingAdmissionPolicy", True),
    "MutatingAdmissionWebhook": ("webhooks", "MutatingAdmissionWebhook", True),
    "ValidatingAdmissionPolicy": ("validating_admission_policy", "ValidatingAdmissionPolicy", True),
    "ValidatingAdmissionWebhook": ("webhooks", "ValidatingAdmissionWebhook", True),
    "ResourceQuota": ("resource_quota", "ResourceQuota", True),
    "AlwaysDeny": ("always", "AlwaysDeny", False),
}


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) and value else tuple(value or ())


def enabled_plugins(options: Any) -> list[str]:
    """Return the names of the plugins that are on, in order; ValueError for unknown ones."""
    wanted = set(_names(getattr(options, "enable_admission_plugins", ())))
    refused = set(_names(getattr(options, "disable_admission_plugins", ())))
    for name in sorted(wanted | refused):
        if name not in PLUGINS:
            raise ValueError(f'enable-admission-plugins plugin "{name}" is unknown')
    return [name for name, row in PLUGINS.items() if (row[2] or name in wanted) and name not in refused]


def build_chain(
    options: Any,
    listers: Callable[[str], Any],
    client: Any,
    authorizer: Any,
    metrics: AdmissionMetrics | None = None,
) -> Chain:
    """Make the chain."""
    metrics = metrics or AdmissionMetrics(Registry())
    configuration = read_plugin_configuration(getattr(options, "admission_control_config_file", ""))
    unknown = sorted(set(configuration) - set(PLUGINS))
    if unknown:
        raise ValueError(f'admission plugin "{unknown[0]}" of the admission control configuration is unknown')
    services = PluginServices(options, listers, client, authorizer, metrics, configuration)
    plugins: list[Plugin] = []
    for name in enabled_plugins(options):
        module, factory, _ = PLUGINS[name]
        plugins.append(getattr(import_module(f"apiserver.admission.{module}"), factory)(services))
    plugins.append(ExpressionCheck(services))
    if "RBAC" in _names(getattr(options, "authorization_mode", ())):
        plugins.append(Escalation(services))
    return Chain(plugins, metrics)
