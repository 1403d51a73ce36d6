"""The writing half of a client, as far as an event recorder needs it: over HTTP, or in process."""

from typing import Any, Protocol

from apimachinery.objects.metadata import Obj


class Writer(Protocol):
    """Creates and patches objects; raises `apimachinery.errors.APIError`."""

    async def create(self, resource: str, obj: Obj, namespace: str | None = None, /) -> Obj:
        """Create an object and return it as stored."""

    async def patch(self, resource: str, name: str, patch: Any, namespace: str | None = None, /) -> Obj:
        """Merge a patch into an object and return it as stored."""
