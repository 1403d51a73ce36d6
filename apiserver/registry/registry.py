"""All served resources by group, version and plural; CRDs come and go at run time."""

from __future__ import annotations

from collections.abc import Callable

from apimachinery.resources import Resource
from apiserver.registry.lister import Lister
from apiserver.registry.store import Store
from apiserver.registry.strategy import Strategy
from apiserver.storage.cache.cached_storage import CachedStorage
from apiserver.storage.keys import resource_directory


class Registry:
    """The resources this server serves from its own storage."""

    def __init__(self, cached: CachedStorage) -> None:
        self.cached = cached
        self.generation = 0
        self._stores: dict[tuple[str, str, str], Store] = {}
        self._custom: set[tuple[str, str, str]] = set()
        self._listers: dict[str, Lister] = {}
        self._removed: list[Callable[[Resource], None]] = []

    def add(self, resource: Resource, strategy: Strategy, *, custom: bool = False) -> Store:
        """Serve a resource, or replace how it is served."""
        directory = resource_directory(resource.group, resource.plural, custom=custom)
        store = Store(resource, strategy, directory, self.cached)
        key = (resource.group, resource.version, resource.plural)
        self._stores[key] = store
        if custom:
            self._custom.add(key)
        self.generation += 1
        return store

    def remove(self, resource: Resource) -> None:
        """Stop serving a resource; its watches end."""
        key = (resource.group, resource.version, resource.plural)
        if self._stores.pop(key, None) is not None:
            self._custom.discard(key)
            self.generation += 1
            for callback in self._removed:
                callback(resource)

    def on_remove(self, callback: Callable[[Resource], None]) -> None:
        """Be told when a resource is no longer served."""
        self._removed.append(callback)

    def find(self, group: str, version: str, plural: str) -> Store | None:
        """Return the store of a resource, or None when it is not served."""
        return self._stores.get((group, version, plural))

    def resources(self) -> list[Resource]:
        """Return everything served from storage, built-in first."""
        return [store.resource for store in self._stores.values()]

    def custom_resources(self) -> list[Resource]:
        """Return what CRDs serve."""
        return [self._stores[key].resource for key in self._stores if key in self._custom]

    def store(self, name: str) -> Store:
        """Return a store by group resource ("pods", "deployments.apps"); `KeyError`."""
        plural, _, group = name.partition(".")
        for (its_group, _, its_plural), store in self._stores.items():
            if its_group == group and its_plural == plural:
                return store
        raise KeyError(name)

    def lister(self, name: str) -> Lister:
        """Return the shared lister of a group resource; `KeyError`."""
        found = self._listers.get(name)
        if found is None:
            found = self._listers[name] = Lister(self.store(name))
        return found
