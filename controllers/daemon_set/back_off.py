"""How long a node waits before a daemon pod that failed there is made anew: 1 s, doubling up to 15 min (pure)."""

from apimachinery.objects.metadata import Obj, metadata, uid

_FIRST, _LONGEST = 1.0, 900.0


class FailedPodsBackOff:
    """Remembers the failures of each DaemonSet's nodes; a new generation begins afresh."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, dict[str, tuple[float, float]]]] = {}

    def _nodes(self, live: Obj) -> dict[str, tuple[float, float]]:
        generation = int(metadata(live).get("generation") or 0)
        known = self._failures.get(uid(live))
        if known is None or known[0] != generation:
            known = self._failures[uid(live)] = (generation, {})
        return known[1]

    def wait(self, live: Obj, node: str, now: float) -> float:
        """Seconds until a failed pod may be replaced; 0 counts as a replacement, after which the next waits longer.

        Args:
            live: The DaemonSet.
            node: The node.
            now: Monotonic seconds.
        """
        nodes = self._nodes(live)
        seconds, since = nodes.get(node, (0.0, now))
        if now - since < seconds:
            return seconds - (now - since)
        if now - since > 2 * _LONGEST:
            seconds = 0.0
        nodes[node] = (min(seconds * 2 or _FIRST, _LONGEST), now)
        return 0.0

    def forget(self, owner: str) -> None:
        """A DaemonSet (by UID) has gone."""
        self._failures.pop(owner, None)
