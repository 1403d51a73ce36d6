"""Synchronous reads for admission and authorization: the watch cache as parsed, read-only objects."""

from __future__ import annotations

from collections.abc import Callable

from apimachinery.objects.metadata import Obj
from apiserver.registry.store import Store
from apiserver.storage.cache.entry import Entry
from apiserver.storage.cache.history import CacheEvent

OnChange = Callable[[str, Obj | None, Obj | None], None]

# Kinds asked for on nearly every request; their parsed form is kept. The many and big ones are parsed when asked.
_KEPT = frozenset(
    {
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "namespaces",
        "serviceaccounts",
        "limitranges",
        "resourcequotas",
        "nodes",
        "priorityclasses.scheduling.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "storageclasses.storage.k8s.io",
        "runtimeclasses.node.k8s.io",
    }
)


class Lister:
    """Objects of one resource, as stored. What it returns must not be changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keep = store.resource.group_resource in _KEPT
        self._parsed: dict[str, tuple[int, Obj]] = {}
        if self._keep:
            store.cache.listeners.append(self._forget)

    def _forget(self, event: CacheEvent) -> None:
        if event.deleted:
            self._parsed.pop(event.entry.key, None)

    @property
    def synced(self) -> bool:
        """Whether the cache has been filled."""
        return self._store.cached.revision > 0

    def _read(self, entry: Entry) -> Obj:
        if not self._keep:
            return entry.parse()
        known = self._parsed.get(entry.key)
        if known is not None and known[0] == entry.revision:
            return known[1]
        obj = entry.parse()
        self._parsed[entry.key] = (entry.revision, obj)
        return obj

    def get(self, namespace: str | None, name: str) -> Obj | None:
        """Return an object, or None."""
        key = self._store.key(namespace or "", name)
        entry = self._store.cache.entries.get(key)
        if entry is None:
            self._parsed.pop(key, None)
            return None
        return self._read(entry)

    def list(self, namespace: str | None = None) -> list[Obj]:
        """Return all objects, or those of one namespace."""
        prefix = f"{namespace}/" if namespace and self._store.resource.namespaced else ""
        return [self._read(entry) for entry in self._store.cache.select(prefix)]

    def on_touch(self, callback: Callable[[str], None]) -> None:
        """Call `callback(key)` for every event from now on, without parsing anything (key: `ns/name` or `name`)."""
        self._store.cache.listeners.append(lambda event: callback(event.entry.key))

    def on_change(self, callback: OnChange) -> None:
        """Call `callback(type, old, new)` for every event from now on, as the cache applies it."""

        def tell(event: CacheEvent) -> None:
            old = self._read(event.previous) if event.previous is not None else None
            if event.deleted:
                self._parsed.pop(event.entry.key, None)
                callback("DELETED", old, event.entry.parse())
                return
            callback("MODIFIED" if old is not None else "ADDED", old, self._read(event.entry))

        self._store.cache.listeners.append(tell)
