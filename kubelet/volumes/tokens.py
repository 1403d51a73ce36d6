"""ServiceAccount tokens for pods through TokenRequest, bound to the pod, renewed at 80 % of their life."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apimachinery.client.rest import Client
from apimachinery.errors import APIError
from component.clock import Clock
from kubelet.volumes.source import VolumeError

Obj = dict[str, Any]

LONGEST = 24 * 3600.0
RENEW_AT = 0.8


class Tokens:
    """Caches tokens per pod, audience and lifetime."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._cache: dict[tuple[str, str, int], tuple[str, float]] = {}

    async def get(self, pod: Obj, audience: str, seconds: int) -> str:
        """A token with enough life left.

        Raises:
            VolumeError: the server refuses.
        """
        meta = pod["metadata"]
        key = (meta["uid"], audience, seconds)
        now = self._clock.now().timestamp()
        held = self._cache.get(key)
        if held is not None and now < held[1]:
            return held[0]
        account = pod["spec"].get("serviceAccountName") or "default"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
            },
        }
        try:
            answer = await self._client.create(
                "serviceaccounts", request, meta["namespace"], name=account, subresource="token"
            )
        except APIError as error:
            raise VolumeError(f"failed to fetch token: {error}") from error
        token = str(answer["status"]["token"])
        expires = datetime.fromisoformat(str(answer["status"]["expirationTimestamp"])).timestamp()
        self._cache[key] = (token, now + min((expires - now) * RENEW_AT, LONGEST))
        return token

    def next_renewal(self, uid: str) -> float | None:
        """When the first token of a pod is due (epoch seconds)."""
        due = [renew for (owner, _, _), (_, renew) in self._cache.items() if owner == uid]
        return min(due) if due else None

    def forget(self, uid: str) -> None:
        """Drop a pod's tokens."""
        for key in [k for k in self._cache if k[0] == uid]:
            del self._cache[key]
