"""The informers' stores, as the zone reads them: Services and EndpointSlices by name and by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apimachinery.client.informer import InformerFactory
    from apimachinery.objects.metadata import Obj

_BY_SERVICE = "service"
_BY_ADDRESS = "address"


class InformerView:
    """Implements `records.ClusterView` over informers."""

    def __init__(self, factory: InformerFactory) -> None:
        self._services = factory.informer("services")
        self._slices = factory.informer("endpointslices.discovery.k8s.io")
        self._services.add_index(_BY_ADDRESS, _service_addresses)
        self._slices.add_index(_BY_SERVICE, _service_of)
        self._slices.add_index(_BY_ADDRESS, _slice_addresses)

    @property
    def synced(self) -> bool:
        """Whether everything was told once."""
        return self._services.synced and self._slices.synced

    def service(self, namespace: str, name: str) -> Obj | None:
        """A Service."""
        return self._services.store.get(namespace, name)

    def slices(self, namespace: str, name: str) -> list[Obj]:
        """The EndpointSlices of a Service."""
        return self._slices.store.by_index(_BY_SERVICE, f"{namespace}/{name}")

    def has_services(self, namespace: str) -> bool:
        """Whether the namespace has any Service."""
        return bool(self._services.store.list(namespace))

    def services_at(self, address: str) -> list[Obj]:
        """Services with this cluster address."""
        return self._services.store.by_index(_BY_ADDRESS, address)

    def slices_at(self, address: str) -> list[Obj]:
        """EndpointSlices with this endpoint address, of headless Services."""
        found = []
        for endpoint_slice in self._slices.store.by_index(_BY_ADDRESS, address):
            for key in _service_of(endpoint_slice):
                service = self._services.store.get_key(key)
                if service is not None and (service.get("spec") or {}).get("clusterIP") == "None":
                    found.append(endpoint_slice)
        return found


def _service_addresses(service: Obj) -> list[str]:
    spec = service.get("spec") or {}
    return [a for a in spec.get("clusterIPs") or [spec.get("clusterIP")] if a and a != "None"]


def _service_of(endpoint_slice: Obj) -> list[str]:
    meta = endpoint_slice["metadata"]
    name = (meta.get("labels") or {}).get("kubernetes.io/service-name")
    return [f"{meta['namespace']}/{name}"] if name else []


def _slice_addresses(endpoint_slice: Obj) -> list[str]:
    return [a for endpoint in endpoint_slice.get("endpoints") or () for a in endpoint.get("addresses") or ()]
