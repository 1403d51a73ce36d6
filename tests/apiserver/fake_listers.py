"""In-memory listers and a client over them, for units that only read through the contract."""

from __future__ import annotations

import copy
from collections import defaultdict

from apimachinery.errors import AlreadyExists, NotFound
from apimachinery.resources import lookup


class MemoryLister:
    def __init__(self):
        self.objects = {}
        self.touched = []
        self.changed = []

    def get(self, namespace, name):
        return self.objects.get((namespace or "", name))

    def list(self, namespace=None):
        return [obj for (space, _), obj in sorted(self.objects.items()) if not namespace or space == namespace]

    def on_touch(self, callback):
        self.touched.append(callback)

    def on_change(self, callback):
        self.changed.append(callback)

    def put(self, obj):
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        old = self.objects.get(key)
        self.objects[key] = obj
        for callback in self.touched:
            callback("/".join(filter(None, key)))
        for callback in self.changed:
            callback("MODIFIED" if old else "ADDED", old, obj)

    def drop(self, namespace, name):
        old = self.objects.pop((namespace or "", name))
        for callback in self.touched:
            callback("/".join(filter(None, (namespace or "", name))))
        for callback in self.changed:
            callback("DELETED", old, old)


class Cluster:
    """All listers of one small cluster; also a client."""

    def __init__(self):
        self.by_name = defaultdict(MemoryLister)

    def __call__(self, name):
        return self.by_name[name]

    def put(self, resource, obj):
        self.by_name[resource].put(obj)
        return obj

    async def get(self, resource, name, namespace=None):
        found = self.by_name[resource].get(namespace, name)
        if found is None:
            raise NotFound.of(lookup(resource), name)
        return copy.deepcopy(found)

    async def list(self, resource):
        return {"items": copy.deepcopy(self.by_name[resource].list())}

    async def create(self, resource, obj, namespace=None):
        if self.by_name[resource].get(namespace, obj["metadata"]["name"]):
            raise AlreadyExists.of(lookup(resource), obj["metadata"]["name"])
        self.put(resource, copy.deepcopy(obj))
        return obj

    async def update(self, resource, obj, *, subresource=""):
        self.put(resource, copy.deepcopy(obj))
        return obj
