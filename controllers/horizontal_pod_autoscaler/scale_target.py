"""The scale of what an autoscaler scales: any kind with a scale subresource, custom ones included."""

import orjson

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource, lookup_kind

_OK = 200


async def find_resource(client: Client, api_version: str, kind: str) -> Resource:
    """The resource of a kind, a built-in or a custom one.

    Raises:
        APIError: if nothing is known by that kind, or discovery fails.
    """
    try:
        return lookup_kind(api_version, kind)
    except KeyError:
        pass
    group, _, version = api_version.rpartition("/")
    status, body = await client.raw("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
    for row in orjson.loads(body).get("resources") or () if status == _OK else ():
        if row["kind"] == kind and "/" not in row["name"]:
            return Resource(group, version, kind, row["name"], row["namespaced"])
    raise errors.NotFound(f'no matches for kind "{kind}" in group "{group}"')


class ScaleTarget:
    """Reads and sets the scale of one object.

    Args:
        client: The API.
        reference: A CrossVersionObjectReference.
        space: The autoscaler's namespace.
    """

    def __init__(self, client: Client, reference: Obj, space: str) -> None:
        self._client = client
        self._reference = reference
        self._space = space

    async def _resource(self) -> Resource:
        return await find_resource(self._client, self._reference.get("apiVersion") or "v1", self._reference["kind"])

    async def read(self) -> Obj:
        """Its Scale.

        Raises:
            APIError: as the server tells.
        """
        resource = await self._resource()
        return await self._client.get(resource, self._reference["name"], self._space, subresource="scale")

    async def write(self, scale: Obj, replicas: int) -> None:
        """Ask for so many replicas; the version of the Scale guards it.

        Raises:
            APIError: as the server tells.
        """
        wanted = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": replicas}}
        await self._client.update(await self._resource(), wanted, subresource="scale")
