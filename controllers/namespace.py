"""Namespaces that are going away: their content is deleted, pods before what pods use, then they are finalized.

Conditions tell what still holds one up, as upstream's do. Discovery names the resources, so that custom ones go, too.
"""

from typing import Any

import orjson

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import set_condition
from apimachinery.objects.metadata import Obj, finalizers, is_deleting, name
from apimachinery.objects.times import now as now_text
from apimachinery.resources import Resource
from controllers.context import Context

_FINALIZER = "kubernetes"
_AGAIN_SECONDS = 1.0
_NEEDED = {"list", "delete"}
_DELETED = "NamespaceDeletionContentFailure"


async def namespaced_resources(client: Client) -> tuple[list[Resource], list[str]]:
    """All namespaced resources that can be listed and deleted, and what discovery could not tell."""
    found: dict[tuple[str, str], Resource] = {}
    failed: list[str] = []
    groups = _body(await client.raw("GET", "/apis")).get("groups") or ()
    roots = [("/api/v1", "", "v1")]
    roots += [
        (f"/apis/{row['preferredVersion']['groupVersion']}", row["name"], row["preferredVersion"]["version"])
        for row in groups
    ]
    for path, group, version in roots:
        status, body = await client.raw("GET", path)
        if status != 200:
            failed.append(f"{path}: HTTP {status}")
            continue
        for row in orjson.loads(body).get("resources") or ():
            if row["namespaced"] and "/" not in row["name"] and set(row["verbs"]) >= _NEEDED:
                found[(group, row["name"])] = Resource(
                    group, version, row["kind"], row["name"], True, verbs=tuple(row["verbs"])
                )
    # One storage seen through two groups is deleted once.
    found.pop(("events.k8s.io", "events"), None)
    return list(found.values()), failed


def _body(answer: tuple[int, bytes]) -> dict[str, Any]:
    status, body = answer
    document: dict[str, Any] = orjson.loads(body) if status == 200 else {}
    return document


def conditions(discovery: list[str], left: dict[str, int], held: dict[str, int], failures: list[str]) -> list[Obj]:
    """The conditions of a namespace that is going away."""

    def row(kind: str, bad: bool, reason: str, message: str, good_reason: str, good: str) -> Obj:  # noqa: FBT001
        return {
            "type": kind,
            "status": "True" if bad else "False",
            "reason": reason if bad else good_reason,
            "message": message if bad else good,
        }

    listed = ", ".join(f"{resource} has {count} resource instances" for resource, count in sorted(left.items()))
    holding = ", ".join(f"{one} in {count} resource instances" for one, count in sorted(held.items()))
    return [
        row(
            "NamespaceDeletionDiscoveryFailure",
            bool(discovery),
            "DiscoveryFailed",
            f"Discovery failed for some groups, {len(discovery)} failing: {'; '.join(discovery)}",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        row(
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        row(
            _DELETED,
            bool(failures),
            "ContentDeletionFailed",
            f"Failed to delete all resource types, {len(failures)} remaining: {', '.join(failures)}",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        row(
            "NamespaceContentRemaining",
            bool(left),
            "SomeResourcesRemain",
            f"Some resources are remaining: {listed}",
            "ContentRemoved",
            "All content successfully removed",
        ),
        row(
            "NamespaceFinalizersRemaining",
            bool(held),
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {holding}",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]


class Namespaces:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._namespaces = context.informers.informer("namespaces")
        self.controller = Controller("namespace-controller", self._reconcile, workers=5)
        self.controller.watch(self._namespaces)

    async def _reconcile(self, key: str) -> Result | None:
        live = self._namespaces.store.get_key(key)
        if live is None or not is_deleting(live):
            return None
        if _FINALIZER not in (live["spec"].get("finalizers") or ()):
            return None
        resources, failed = await namespaced_resources(self._client)
        pods = [one for one in resources if one.group_resource == "pods"]
        others = [one for one in resources if one.group_resource != "pods"]
        left: dict[str, int] = {}
        held: dict[str, int] = {}
        failures: list[str] = []
        for batch in (pods, others):
            for resource in batch:
                await self._empty(resource, key, left, held, failures)
            if left:
                break  # KEP-5080: what pods use stays until they have gone
        if pods and left.get("pods.") and held:
            failures.append("unexpected items still remain in namespace: " + key + " for gvr: /v1, Resource=pods")
        await self._tell(live, conditions(failed, left, held, failures))
        if left or failed or failures:
            return Result(requeue_after=_AGAIN_SECONDS)
        fresh = await self._client.get("namespaces", name(live))
        rest = [one for one in fresh["spec"].get("finalizers") or () if one != _FINALIZER]
        await self._client.update(
            "namespaces", {**fresh, "spec": {**fresh["spec"], "finalizers": rest}}, subresource="finalize"
        )
        return None

    async def _empty(
        self, resource: Resource, space: str, left: dict[str, int], held: dict[str, int], failures: list[str]
    ) -> None:
        try:
            items = (await self._client.list(resource, space)).get("items") or []
            if not items:
                return
            if any(not is_deleting(one) for one in items):
                options = {"propagationPolicy": "Background"}
                if "deletecollection" in resource.verbs:
                    await self._client.delete_collection(resource, space, options=options)
                else:
                    for one in items:
                        await self._client.delete(resource, name(one), space, options=options)
                items = (await self._client.list(resource, space)).get("items") or []
        except (errors.NotFound, errors.MethodNotAllowed):
            return
        except errors.APIError as error:
            failures.append(f"{resource.group_resource}: {error.message}")
            return
        if items:
            left[f"{resource.plural}.{resource.group}"] = len(items)
            for one in items:
                for finalizer in finalizers(one):
                    held[finalizer] = held.get(finalizer, 0) + 1

    async def _tell(self, live: Obj, rows: list[Obj]) -> None:
        status = live.get("status") or {}
        result = status.get("conditions") or []
        now = now_text(self._clock)
        for row in rows:
            known = next((one for one in result if one.get("type") == row["type"]), None)
            if known is None and row["status"] == "False" and row["type"] != _DELETED and not result:
                continue
            result = set_condition(result, row, now)
        if result != (status.get("conditions") or []):
            try:
                await self._client.update(
                    "namespaces", {**live, "status": {**status, "conditions": result}}, subresource="status"
                )
            except (errors.Conflict, errors.NotFound):
                return


def new(context: Context) -> Controller:
    """Wire the controller."""
    return Namespaces(context).controller
