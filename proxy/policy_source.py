"""Where network policies and what they select come from: informers, started only when a policy exists.

Talks to the API server. Most clusters have no policy; then the proxy doesn't watch pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from component.logging import get_logger
from proxy.network_policy import PolicyPod, policies_fragment, policy_pods

if TYPE_CHECKING:
    from collections.abc import Callable

    from apimachinery.client.informer import Event, Informer, InformerFactory
    from apimachinery.objects.metadata import Obj
    from proxy.rules import Fragment, Settings

_LOG = get_logger("policies")
_POLICIES = "networkpolicies.networking.k8s.io"


class PolicySource:
    """Answers with the fragment of all policies.

    Args:
        factory: of informers.
        node_name: policies are enforced for pods on this node.
        changed: called when the fragment may differ.
    """

    def __init__(self, factory: InformerFactory, node_name: str, changed: Callable[[], None]) -> None:
        self._factory = factory
        self._node_name = node_name
        self._changed = changed
        self._pods: Informer | None = None
        self._namespaces: Informer | None = None
        self._policies = factory.informer(_POLICIES)
        self._policies.add_handler(self._on_policy)

    def _on_policy(self, _event: Event) -> None:
        if self._pods is None:
            _LOG.info("Enforcing network policies")
            self._pods = self._factory.informer("pods")
            self._namespaces = self._factory.informer("namespaces")
            self._pods.add_handler(self._on_pod)
            self._namespaces.add_handler(self._on_namespace)
        self._changed()

    def _on_pod(self, event: Event) -> None:
        if event.old is None or event.type == "DELETED" or _facts(event.old) != _facts(event.new):
            self._changed()

    def _on_namespace(self, event: Event) -> None:
        if event.old is None or event.old["metadata"].get("labels") != event.new["metadata"].get("labels"):
            self._changed()

    def ready(self) -> bool:
        """Whether everything that the fragment is made from has been told."""
        others = (self._pods, self._namespaces)
        return self._policies.synced and all(informer is None or informer.synced for informer in others)

    def fragment(self, settings: Settings, dns: list[str]) -> Fragment:
        """What the policies contribute.

        Args:
            settings: of the family at hand.
            dns: addresses of the cluster's DNS, which runs on the node: policies that speak of
                its pods (`k8s-app: kube-dns` in `kube-system`) mean it.
        """
        if self._pods is None or self._namespaces is None:
            return policies_fragment([], [], {}, settings)
        pods = policy_pods(self._pods.store.list(), self._node_name, settings.family)
        ports = (("dns", "UDP", 53), ("dns-tcp", "TCP", 53))
        pods += [
            PolicyPod("kube-system", "kube-dns", {"k8s-app": "kube-dns"}, address, local=False, ports=ports)
            for address in dns
            if (":" in address) == (settings.family == 6)
        ]
        labels = {ns["metadata"]["name"]: ns["metadata"].get("labels") or {} for ns in self._namespaces.store.list()}
        return policies_fragment(self._policies.store.list(), pods, labels, settings)


def _facts(pod: Obj) -> tuple[Any, ...]:
    status = pod.get("status") or {}
    return (
        pod["metadata"].get("labels"),
        status.get("podIP"),
        status.get("podIPs"),
        status.get("phase") in ("Succeeded", "Failed"),
        pod["spec"].get("nodeName"),
    )
