"""Which objects belong to a controller: those it owns, orphans it may adopt, and those it must release."""

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj, is_deleting, labels, name, namespace, uid
from apimachinery.objects.owner_references import controller_of, new_controller_ref
from apimachinery.objects.selectors import Selector
from apimachinery.resources import Resource


async def claim(client: Client, resource: Resource, owner: Obj, selector: Selector, candidates: list[Obj]) -> list[Obj]:
    """Adopt and release, then tell what is the owner's.

    Args:
        client: The API.
        resource: What the candidates are.
        owner: The controller; has apiVersion and kind.
        selector: What it selects.
        candidates: All objects of its namespace that it may care for.
    """
    mine = []
    for obj in candidates:
        reference = controller_of(obj)
        matches = selector.matches(labels(obj))
        if reference is not None:
            if reference.get("uid") != uid(owner):
                continue
            if matches:
                mine.append(obj)
            elif not is_deleting(owner):
                await _release(client, resource, owner, obj)
        elif matches and not is_deleting(owner) and not is_deleting(obj):
            adopted = await _adopt(client, resource, owner, obj)
            if adopted is not None:
                mine.append(adopted)
    return mine


async def _adopt(client: Client, resource: Resource, owner: Obj, obj: Obj) -> Obj | None:
    reference = new_controller_ref(owner, owner["apiVersion"], owner["kind"])
    patch = {"metadata": {"ownerReferences": [reference], "uid": uid(obj)}}
    try:
        return await client.patch(resource, name(obj), patch, namespace(obj), patch_type="strategic")
    except (errors.NotFound, errors.Invalid, errors.Conflict):
        return None


async def _release(client: Client, resource: Resource, owner: Obj, obj: Obj) -> None:
    patch = {
        "metadata": {"ownerReferences": [{"$patch": "delete", "uid": uid(owner)}], "uid": uid(obj)},
    }
    try:
        await client.patch(resource, name(obj), patch, namespace(obj), patch_type="strategic")
    except (errors.NotFound, errors.Invalid, errors.Conflict):
        return
