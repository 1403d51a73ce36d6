"""The finalizer by which a Job's pods stay until they are counted, taken away once.

The cache of pods may be older than what was written: from which pods the finalizer has gone is remembered until the
cache shows it, so that none is counted twice. Talks to the API server.
"""

import asyncio
import contextlib
from collections.abc import Iterable

from apimachinery import errors
from apimachinery.client.informer import Event
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj, finalizers, name, namespace, uid
from controllers.job.pods import FINALIZER, is_tracked


class Tracking:
    """Takes the finalizer from pods.

    Args:
        client: The API.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._unseen: set[str] = set()

    def observe(self, event: Event) -> None:
        """Take note of what the cache of pods knows by now."""
        if event.type == "DELETED" or not is_tracked(event.new):
            self._unseen.discard(uid(event.new))

    def view(self, pods: Iterable[Obj]) -> list[Obj]:
        """Return pods as they are on the server: those from the cache, without the finalizers that have gone."""
        return [_without(pod) if uid(pod) in self._unseen and is_tracked(pod) else pod for pod in pods]

    async def release(self, pods: Iterable[Obj]) -> tuple[set[str], Exception | None]:
        """Take the finalizer from pods.

        Returns:
            The UIDs of those that are without it now, and what went wrong with the first of the others.
        """
        asked = list(pods)
        results = await asyncio.gather(*(self._release(pod) for pod in asked), return_exceptions=True)
        released, problem = set(), None
        for pod, result in zip(asked, results, strict=True):
            if result is None:
                released.add(uid(pod))
            elif isinstance(result, Exception):
                problem = problem or result
            else:
                raise result
        return released, problem

    async def _release(self, pod: Obj) -> None:
        # Only this one is named: others may have come and gone since the pod was read.
        patch = {"metadata": {"uid": uid(pod), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        self._unseen.add(uid(pod))
        try:
            # A pod that has gone may stay in the cache for a moment.
            with contextlib.suppress(errors.NotFound):
                await self._client.patch("pods", name(pod), patch, namespace(pod), patch_type="strategic")
        except BaseException:
            self._unseen.discard(uid(pod))
            raise


def _without(pod: Obj) -> Obj:
    kept = [one for one in finalizers(pod) if one != FINALIZER]
    return {**pod, "metadata": {**pod["metadata"], "finalizers": kept}}
