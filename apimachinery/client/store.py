"""The cache behind an informer: objects by namespace and name, with indexes. Its objects are not to be changed."""

from collections.abc import Callable

from apimachinery.objects.metadata import Obj, key

IndexFunction = Callable[[Obj], list[str]]


class Store:
    """Objects of one resource. Written by the reflector alone."""

    def __init__(self) -> None:
        self._objects: dict[str, Obj] = {}
        self._functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[str, Obj]]] = {}
        self._spaces: dict[str, dict[str, Obj]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str | None, name: str) -> Obj | None:
        """The object, or None."""
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def get_key(self, key: str) -> Obj | None:
        """The object of a key `namespace/name`, or None."""
        return self._objects.get(key)

    def keys(self) -> tuple[str, ...]:
        """The keys of all objects."""
        return tuple(self._objects)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Index by what a function tells of an object; may be called at any time, twice with the same name is once."""
        if name in self._functions:
            return
        self._functions[name] = function
        self._indexes[name] = {}
        for identity, obj in self._objects.items():
            self._enter(name, identity, obj)

    def by_index(self, name: str, value: str) -> list[Obj]:
        """The objects that an index has under a value."""
        return list(self._indexes[name].get(value, {}).values())

    def put(self, obj: Obj) -> Obj | None:
        """Add or replace; returns what was there."""
        identity = key(obj)
        old = self._objects.get(identity)
        if old is not None:
            self._leave_all(identity, old)
        self._objects[identity] = obj
        self._spaces.setdefault(identity.partition("/")[0] if "/" in identity else "", {})[identity] = obj
        for name in self._functions:
            self._enter(name, identity, obj)
        return old

    def remove(self, identity: str) -> Obj | None:
        """Remove; returns what was there."""
        old = self._objects.pop(identity, None)
        if old is not None:
            self._leave_all(identity, old)
            space = identity.partition("/")[0] if "/" in identity else ""
            self._spaces[space].pop(identity, None)
            if not self._spaces[space]:
                del self._spaces[space]
        return old

    def _enter(self, name: str, identity: str, obj: Obj) -> None:
        for value in self._functions[name](obj):
            self._indexes[name].setdefault(value, {})[identity] = obj

    def _leave_all(self, identity: str, old: Obj) -> None:
        for name, function in self._functions.items():
            index = self._indexes[name]
            for value in function(old):
                held = index.get(value)
                if held is not None:
                    held.pop(identity, None)
                    if not held:
                        del index[value]

    def list(self, namespace: str | None = None) -> list[Obj]:
        """All objects, or those of a namespace."""
        return list(self._objects.values() if namespace is None else self._spaces.get(namespace, {}).values())
