"""Nodes' requests for client certificates are approved where the requester may have them.

Who may is asked with SubjectAccessReviews of the virtual subresources `selfnodeclient` (a node renews its own) and
`nodeclient` (a bootstrap token asks for a node). Talks to the API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import get_condition
from controllers.certificates import signers
from controllers.certificates.signing import REQUESTS

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_WAYS: Final = (
    ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."),
    ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
)


def ways(request: Obj) -> list[tuple[str, str]]:
    """Return the subresources to ask for, and the message of an approval; none where it isn't ours to decide."""
    spec, status = request.get("spec") or {}, request.get("status") or {}
    decided = get_condition(status, "Approved") or get_condition(status, "Denied")
    if decided or status.get("certificate") or spec.get("signerName") != signers.KUBELET_CLIENT:
        return []
    try:
        wish = signers.wish_of(signers.parse(request))
        signers.check_kubelet_client(wish, frozenset(spec.get("usages") or ()))
    except signers.RequestError:
        return []
    return [way for way in _WAYS if way[0] != "selfnodeclient" or spec.get("username") == wish.common_name]


def review(request: Obj, subresource: str) -> Obj:
    """Return the SubjectAccessReview of a requester."""
    spec = request["spec"]
    asked = {
        "user": spec.get("username", ""),
        "uid": spec.get("uid", ""),
        "groups": spec.get("groups") or [],
        "extra": spec.get("extra") or {},
        "resourceAttributes": {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "verb": "create",
            "subresource": subresource,
            "version": "*",
        },
    }
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}


def new(context: Context) -> Controller:
    """Wire the controller."""
    requests = context.informers.informer(REQUESTS)

    async def reconcile(key: str) -> None:
        request = requests.store.get_key(key)
        for subresource, message in ways(request) if request is not None else ():
            assert request is not None
            answer = await context.client.create(
                "subjectaccessreviews.authorization.k8s.io", review(request, subresource)
            )
            if not (answer.get("status") or {}).get("allowed"):
                continue
            approved = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
            status = dict(request.get("status") or {})
            status["conditions"] = [*(status.get("conditions") or ()), approved]
            await context.client.update(REQUESTS, {**request, "status": status}, subresource="approval")
            return

    controller = Controller("certificatesigningrequest-approving-controller", reconcile, workers=1)
    controller.watch(requests)
    return controller
