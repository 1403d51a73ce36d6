"""ControllerRevisions: the pod templates that a StatefulSet or DaemonSet has had, numbered, for rolling on and back.

A revision's data is a strategic merge patch that replaces the template; kubectl applies it for `rollout undo`. Equal
templates share one revision: going back to an old template gives the old revision the newest number.
"""

from dataclasses import dataclass
from typing import Any

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj, annotations, is_deleting, labels, metadata, name, namespace, uid
from apimachinery.objects.owner_references import is_controlled_by, new_controller_ref
from apimachinery.objects.selectors import Selector
from apimachinery.resources import lookup
from controllers.adoption import claim
from controllers.deployment.revisions import template_hash

HASH = "controller.kubernetes.io/hash"
POD_HASH = "controller-revision-hash"
_LONGEST_PREFIX = 223
_MOST_COLLISIONS = 20
_RESOURCE = lookup("controllerrevisions.apps")


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of one owner.

    Attributes:
        revisions: All, oldest first, the present one among them.
        update: The one of the present template.
        collisions: How often a name was taken by something else; kept in the owner's status.
    """

    revisions: tuple[Obj, ...]
    update: Obj
    collisions: int


def number(revision: Obj) -> int:
    """The revision's number."""
    return int(revision.get("revision") or 0)


def oldest_first(revisions: list[Obj]) -> list[Obj]:
    """Revisions by number, then age, then name."""
    return sorted(revisions, key=lambda one: (number(one), metadata(one).get("creationTimestamp") or "", name(one)))


def data_of(owner: Obj) -> Obj:
    """The patch that gives an owner its present template; its keys are sorted, for kubectl compares bytes."""
    patched: Obj = _sorted({"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}})
    return patched


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def template_in(revision: Obj) -> Obj:
    """The pod template that a revision keeps."""
    template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
    return {key: value for key, value in template.items() if key != "$patch"}


def with_template(owner: Obj, revision: Obj) -> Obj:
    """The owner as it was at a revision."""
    return {**owner, "spec": {**owner["spec"], "template": template_in(revision)}}


def new_revision(owner: Obj, revision: int, collisions: int, label: str = HASH) -> Obj:
    """The revision of an owner's present template.

    Args:
        owner: Has apiVersion and kind.
        revision: Its number.
        collisions: Goes into the hash.
        label: The label that shows the hash.
    """
    data = data_of(owner)
    digest = template_hash(data, collisions)
    template_labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    made: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name(owner)[:_LONGEST_PREFIX]}-{digest}",
            "namespace": namespace(owner),
            "labels": {**template_labels, label: digest},
            "ownerReferences": [new_controller_ref(owner, owner["apiVersion"], owner["kind"])],
        },
        "data": data,
        "revision": revision,
    }
    if annotations(owner):
        made["metadata"]["annotations"] = dict(annotations(owner))
    return made


def superfluous(revisions: list[Obj], used: set[str], limit: int | None) -> list[Obj]:
    """Revisions to delete: the oldest of those that nothing uses, down to the limit."""
    idle = [one for one in oldest_first(revisions) if name(one) not in used]
    return idle[: max(0, len(idle) - (10 if limit is None else limit))]


class Revisions:
    """Reads, makes and removes the revisions of one kind of owner.

    Args:
        client: The API.
        label: The label that shows a revision's hash.
    """

    def __init__(self, client: Client, label: str = HASH) -> None:
        self._client = client
        self._label = label

    async def owned(self, owner: Obj, selector: Selector, candidates: list[Obj]) -> list[Obj]:
        """The owner's revisions, orphans adopted, oldest first.

        Args:
            owner: Has apiVersion and kind.
            selector: The owner's.
            candidates: Revisions of its namespace.
        """
        matching = [one for one in candidates if selector.matches(labels(one))]
        return oldest_first(await claim(self._client, _RESOURCE, owner, selector, matching))

    async def ensure(self, owner: Obj, revisions: list[Obj]) -> History:
        """Make sure that the present template has a revision, and the highest number.

        Args:
            owner: Has apiVersion and kind.
            revisions: Those there are, oldest first.
        """
        collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
        data, highest = data_of(owner), max((number(one) for one in revisions), default=0)
        same = [one for one in revisions if one.get("data") == data]
        if same:
            update = same[-1]
            if update is not revisions[-1]:
                update = await self._client.patch(_RESOURCE, name(update), {"revision": highest + 1}, namespace(owner))
            others = [one for one in revisions if uid(one) != uid(update)]
            return History((*others, update), update, collisions)
        update, collisions = await self._create(owner, highest + 1, collisions)
        return History((*[one for one in revisions if uid(one) != uid(update)], update), update, collisions)

    async def _create(self, owner: Obj, revision: int, collisions: int) -> tuple[Obj, int]:
        for more in range(_MOST_COLLISIONS):
            made = new_revision(owner, revision, collisions + more, self._label)
            try:
                return await self._client.create(_RESOURCE, made), collisions + more
            except errors.AlreadyExists:
                # Ours, made a moment ago and not yet in the cache, or something else of the same name.
                there = await self._client.get(_RESOURCE, name(made), namespace(owner))
                if there.get("data") == made["data"] and is_controlled_by(there, owner):
                    return there, collisions + more
        raise errors.Conflict(f"no free name for a revision of {name(owner)}")

    async def truncate(self, owner: Obj, history: History, used: set[str]) -> None:
        """Delete what goes beyond the owner's revisionHistoryLimit.

        Args:
            owner: Whose revisions.
            history: Them.
            used: Names of revisions that pods or the status still name.
        """
        if is_deleting(owner):
            return
        limit = owner["spec"].get("revisionHistoryLimit")
        for one in superfluous(list(history.revisions), used | {name(history.update)}, limit):
            try:
                await self._client.delete(_RESOURCE, name(one), namespace(one))
            except errors.NotFound:
                continue
