"""Pods and pod templates: defaults of the specification."""

from apimachinery.apis.core import container, volume
from apimachinery.objects.metadata import Obj

_GRACE_SECONDS = 30
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def apply_spec_defaults(spec: Obj) -> None:
    """Fill in a pod specification, in place."""
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if "terminationGracePeriodSeconds" not in spec:
        spec["terminationGracePeriodSeconds"] = _GRACE_SECONDS
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if "securityContext" not in spec:
        spec["securityContext"] = {}
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    host_network = spec.get("hostNetwork")
    for field in _CONTAINERS:
        for one in spec.get(field) or ():
            container.apply_defaults(one)
            if host_network:
                for port in one.get("ports") or ():
                    if not port.get("hostPort") and port.get("containerPort"):
                        port["hostPort"] = port["containerPort"]
    for one in spec.get("volumes") or ():
        volume.apply_defaults(one)


def apply_template_defaults(template: Obj | None) -> None:
    """Fill in a pod template, in place."""
    if template is not None:
        template.setdefault("metadata", {})
        apply_spec_defaults(template.setdefault("spec", {}))


def apply_defaults(pod: Obj) -> None:
    """Fill in a Pod, in place."""
    spec = pod.setdefault("spec", {})
    apply_spec_defaults(spec)
    if "enableServiceLinks" not in spec:
        spec["enableServiceLinks"] = True
    for field in ("containers", "initContainers"):
        for one in spec.get(field) or ():
            if one["resources"]:
                container.request_from_limits(one)
    if "resources" in spec:
        container.request_from_limits(spec)
    pod.setdefault("status", {})
