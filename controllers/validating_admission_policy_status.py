"""Tells of each ValidatingAdmissionPolicy which generation the control plane has seen; clients wait for it."""

from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import metadata
from controllers.context import Context

_POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"


def new(context: Context) -> Controller:
    """Wire the controller."""
    policies = context.informers.informer(_POLICIES)

    async def reconcile(key: str) -> None:
        policy = policies.store.get_key(key)
        if policy is None:
            return
        generation, status = metadata(policy).get("generation", 1), policy.get("status") or {}
        if status.get("observedGeneration") != generation:
            wanted = {**policy, "status": {**status, "observedGeneration": generation}}
            await context.client.update(_POLICIES, wanted, subresource="status")

    controller = Controller("validatingadmissionpolicy-status-controller", reconcile, workers=1)
    controller.watch(policies)
    return controller
