"""Keeps the status of ValidatingAdmissionPolicies: which generation was seen, and what type checking found.

Upstream's controller manager does this; here it stands beside the CEL it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from apimachinery.errors import APIError, Conflict, NotFound
from apimachinery.objects.metadata import Obj
from component.logging import get_logger

_LOG = get_logger(__name__)
_POLICIES: Final = "validatingadmissionpolicies.admissionregistration.k8s.io"
_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
_PAUSE: Final = 1.0


def status(policy: Obj, find_crd: Callable[[str], Obj | None]) -> Obj | None:
    """Return the status a policy should have, None when it has one of its generation."""
    from apiserver.admission.policy_types import warnings

    before: Obj = policy.get("status") or {}
    generation = policy["metadata"].get("generation", 0)
    if before.get("observedGeneration") == generation:
        return None
    found = warnings(policy, find_crd)
    checked: Obj = {"expressionWarnings": found} if found else {}
    return {**before, "observedGeneration": generation, "typeChecking": checked}


class PolicyStatuses:
    """Watches and writes."""

    def __init__(self, listers: Callable[[str], Any], client: Any) -> None:
        self._policies = listers(_POLICIES)
        self._crds = listers(_CRDS)
        self._client = client
        self._changed = asyncio.Event()
        self._policies.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Write for ever."""
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for policy in self._policies.list():
                    await self._see_to(policy)
            except Conflict:
                self._changed.set()
            except APIError as error:
                _LOG.warning("the status of a policy is not written", error=error.message)
                await asyncio.sleep(_PAUSE)
                self._changed.set()

    async def _see_to(self, policy: Obj) -> None:
        wanted = status(policy, lambda name: self._crds.get(None, name))
        if wanted is None:
            return
        try:
            await self._client.update(_POLICIES, {**policy, "status": wanted}, subresource="status")
        except NotFound:
            _LOG.debug("a policy is gone", policy=policy["metadata"]["name"])
        await asyncio.sleep(0)
