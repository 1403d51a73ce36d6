"""What to do with one object of the graph: pure decisions over owners that were looked up."""

from dataclasses import dataclass
from enum import Enum, auto

from apimachinery.objects.metadata import Obj
from controllers.garbage_collector.graph import FOREGROUND, ORPHAN, Node


class Owner(Enum):
    """What an owner reference points at."""

    SOLID = auto()
    ABSENT = auto()
    WAITING = auto()  # in foreground deletion, and the reference blocks it


class Verb(Enum):
    """What is to be done."""

    NOTHING = auto()
    DROP_REFERENCES = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Action:
    """A decision.

    Attributes:
        policy: For DELETE, the propagation policy.
        drop: For DROP_REFERENCES, the owners' UIDs.
        unblock: Owner references must stop blocking their owners first.
    """

    verb: Verb
    policy: str = ""
    drop: tuple[str, ...] = ()
    unblock: bool = False


def decide(node: Node, owners: dict[str, Owner], dependents: list[Node]) -> Action:
    """What to do with an object that has owner references.

    Args:
        node: The object.
        owners: What each of its references points at, by UID.
        dependents: Its own dependents that are known.
    """
    if not node.references or node.deleting:
        return Action(Verb.NOTHING)
    dangling = tuple(uid for uid, state in owners.items() if state is Owner.ABSENT)
    waiting = tuple(uid for uid, state in owners.items() if state is Owner.WAITING)
    if any(state is Owner.SOLID for state in owners.values()):
        return Action(Verb.DROP_REFERENCES, drop=dangling + waiting) if dangling or waiting else Action(Verb.NOTHING)
    if waiting and dependents:
        # A cycle, or a chain below: whoever waits must not wait for us while we wait for ours.
        unblock = any(dependent.waits_for_dependents for dependent in dependents)
        return Action(Verb.DELETE, "Foreground", unblock=unblock)
    if ORPHAN in node.finalizers:
        return Action(Verb.DELETE, "Orphan")
    if FOREGROUND in node.finalizers:
        return Action(Verb.DELETE, "Foreground")
    return Action(Verb.DELETE, "Background")


def is_blocking(dependent: Node, owner: str) -> bool:
    """Whether a dependent blocks its owner's foreground deletion."""
    return any(reference["uid"] == owner and reference.get("blockOwnerDeletion") for reference in dependent.references)


def without_references(references: list[Obj], dropped: tuple[str, ...]) -> list[Obj]:
    """References but for those to some owners."""
    return [reference for reference in references if reference["uid"] not in dropped]
