"""Who owns whom: a graph kept from watches of everything that can own or be owned.

Keyed by UID. Owners that were only heard of through references are virtual until they are looked up.
"""

from dataclasses import dataclass, field

from apimachinery.objects.metadata import Obj, finalizers, is_deleting, metadata, name, namespace
from apimachinery.resources import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(slots=True)
class Node:
    """One object, or the idea of one.

    Attributes:
        references: Its ownerReferences.
        dependents: UIDs of objects that name it as owner.
    """

    uid: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    references: list[Obj] = field(default_factory=list)
    finalizers: list[str] = field(default_factory=list)
    deleting: bool = False
    dependents: set[str] = field(default_factory=set)

    @property
    def is_virtual(self) -> bool:
        """Whether it was heard of only through references."""
        return self.resource is None

    @property
    def waits_for_dependents(self) -> bool:
        """Whether it is in foreground deletion."""
        return self.deleting and FOREGROUND in self.finalizers


class Graph:
    """The nodes by UID."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def observe(self, resource: Resource, obj: Obj) -> set[str]:
        """Take in an object's present state. Returns the UIDs that must be looked at because of it."""
        uid = metadata(obj).get("uid") or ""
        node = self.nodes.get(uid)
        if node is None:
            node = self.nodes[uid] = Node(uid)
        before = {reference["uid"] for reference in node.references}
        was_deleting = node.deleting
        node.resource, node.namespace, node.name = resource, namespace(obj), name(obj)
        node.references = metadata(obj).get("ownerReferences") or []
        node.finalizers = list(finalizers(obj))
        node.deleting = is_deleting(obj)
        now = {reference["uid"] for reference in node.references}
        for owner in now - before:
            self.nodes.setdefault(owner, Node(owner)).dependents.add(uid)
        affected: set[str] = set()
        for owner in before - now:
            if owner in self.nodes:
                self.nodes[owner].dependents.discard(uid)
                affected.add(owner)
        if now and now != before:
            affected.add(uid)
        if node.deleting and (FOREGROUND in node.finalizers or ORPHAN in node.finalizers):
            affected.add(uid)
            if not was_deleting:
                affected |= node.dependents
        if node.deleting and not was_deleting:
            # Owners in foreground deletion may now go on.
            affected |= now & self.nodes.keys()
        return affected

    def forget(self, uid: str) -> set[str]:
        """An object has gone. Returns the UIDs that must be looked at because of it."""
        node = self.nodes.get(uid)
        if node is None:
            return set()
        owners = {reference["uid"] for reference in node.references}
        for owner in owners:
            if owner in self.nodes:
                self.nodes[owner].dependents.discard(uid)
                if self.nodes[owner].is_virtual and not self.nodes[owner].dependents:
                    del self.nodes[owner]
        affected = set(node.dependents) | {owner for owner in owners if owner in self.nodes}
        if node.dependents:
            # Kept as a virtual node: its dependents still name it, and must find it absent.
            node.resource, node.references, node.finalizers, node.deleting = None, [], [], False
        else:
            del self.nodes[uid]
        return affected
