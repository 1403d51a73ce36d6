"""The last known runtime state per pod UID.

A worker reads from here; an event or relist marks a UID stale, and the next read asks the runtime again. After the
first relist an unknown UID
is known to have nothing in the runtime, which saves a new pod four calls.
"""

from __future__ import annotations

from kubelet.runtime.client import CRIClient
from kubelet.runtime.pod_state import PodState
from kubelet.runtime.records import read_pod


class PodCache:
    """States by UID, with staleness."""

    def __init__(self, client: CRIClient) -> None:
        self._client = client
        self._states: dict[str, PodState] = {}
        self._stale: set[str] = set()
        self.complete = False

    def invalidate(self, uid: str) -> None:
        """Whatever is known about this pod may have changed."""
        self._stale.add(uid)

    def peek(self, uid: str) -> PodState | None:
        """The cached state, however old."""
        return self._states.get(uid)

    def uids(self) -> set[str]:
        """Pods that have something in the runtime."""
        return set(self._states) | self._stale

    def put(self, state: PodState) -> None:
        """Store what a worker has brought about. Staleness marked meanwhile stays."""
        self._states[state.uid] = state

    def drop(self, uid: str) -> None:
        """The pod has left the runtime."""
        self._states.pop(uid, None)
        self._stale.discard(uid)

    async def read(self, uid: str, name: str, namespace: str, *, fresh: bool = False) -> PodState:
        """The pod's state, asked from the runtime if needed."""
        known = self._states.get(uid)
        if not fresh and uid not in self._stale:
            if known is not None:
                return known
            if self.complete:
                return PodState(uid, name, namespace)
        self._stale.discard(uid)
        try:
            state = await read_pod(self._client, uid, name, namespace)
        except BaseException:
            self._stale.add(uid)
            raise
        self._states[uid] = state
        return state
