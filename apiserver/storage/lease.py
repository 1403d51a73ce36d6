"""Leases for objects that expire (Events): one lease is shared by all writes of a while, as upstream does.

An etcd lease per Event would cost a round trip each; a shared one lets an Event live a little longer than its TTL.
"""

from __future__ import annotations

from apiserver.storage.interface import Storage
from component.clock import Clock

_SHARE_SECONDS = 60.0
_SHARE_OBJECTS = 1000


class LeaseManager:
    """Hands out the current lease for a time to live."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._leases: dict[int, tuple[int, float, int]] = {}

    async def lease_for(self, seconds: int) -> int:
        """Return a lease that lives at least `seconds`."""
        now = self._clock.monotonic()
        lease, until, used = self._leases.get(seconds, (0, 0.0, 0))
        if not lease or now >= until or used >= _SHARE_OBJECTS:
            lease = await self._storage.grant_lease(seconds + int(_SHARE_SECONDS))
            until, used = now + _SHARE_SECONDS, 0
        self._leases[seconds] = (lease, until, used + 1)
        return lease
