"""EventRateLimit (off by default): Events are stored at a bounded rate: of the server, a namespace, a user, a source.

Each limit is a token bucket; of the many of a namespace, user or source the least used are forgotten.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from apimachinery.errors import TooManyRequests
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_CACHE_SIZE: Final = 4096


def _source(attrs: AdmissionAttributes) -> str:
    event = attrs.object or {}
    source, about = event.get("source") or {}, event.get("involvedObject") or event.get("regarding") or {}
    parts = [source.get("component"), source.get("host"), about.get("kind"), about.get("namespace"), about.get("name")]
    return "".join(str(part or "") for part in (*parts, about.get("uid"), about.get("apiVersion")))


# type of limit -> what it tells apart
_KEYS: Final[dict[str, Callable[[AdmissionAttributes], str]]] = {
    "Server": lambda _: "",
    "Namespace": lambda attrs: attrs.namespace,
    "User": lambda attrs: attrs.user.name,
    "SourceAndObject": _source,
}


class Limit:
    """Token buckets of one type."""

    def __init__(self, raw: Obj, *, now: Callable[[], float] = time.monotonic) -> None:
        kind, rate, burst = raw.get("type"), raw.get("qps"), raw.get("burst")
        if kind not in _KEYS:
            raise ValueError(f"EventRateLimit: type must be one of {', '.join(_KEYS)}: {kind!r}")
        if not isinstance(rate, int) or not isinstance(burst, int) or rate <= 0 or burst <= 0:
            raise ValueError(f"EventRateLimit: qps and burst of {kind} must be positive")
        self.kind = str(kind)
        self._rate, self._burst = rate, burst
        self._size = int(raw.get("cacheSize") or _CACHE_SIZE)
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, attrs: AdmissionAttributes) -> str | None:
        """Take a token; returns the key whose bucket is empty, None when there was one."""
        key, now = _KEYS[self.kind](attrs), self._now()
        left, since = self._buckets.pop(key, (float(self._burst), now))
        left = min(left + (now - since) * self._rate, float(self._burst))
        self._buckets[key] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > self._size:
            self._buckets.popitem(last=False)
        return key if left < 1 else None


class EventRateLimit(OnResources):
    """The plugin."""

    name = "EventRateLimit"
    on = frozenset((verb, kind, "") for verb in (CREATE, UPDATE) for kind in ("events", "events.events.k8s.io"))

    def __init__(self, services: PluginServices) -> None:
        rows: Any = (services.configuration.get(self.name) or {}).get("limits") or ()
        if not rows:
            raise ValueError("EventRateLimit: its configuration must have limits")
        self._limits = [Limit(row) for row in rows]

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Take a token of every limit."""
        if attrs.dry_run:
            return
        told = [
            f"limit reached on type {limit.kind} for key {key}"
            for limit in self._limits
            if (key := limit.take(attrs)) is not None
        ]
        if told:
            raise TooManyRequests(told[0] if len(told) == 1 else f"[{', '.join(told)}]")
