"""What a controller has asked for and not yet seen in its cache, so that it does not ask twice.

Kept by UID for deletions and by count for creations; forgotten after five minutes, in case an event was never seen.
"""

from component.clock import Clock

_FORGET_SECONDS = 300.0


class Expectations:
    """Creations and deletions that a key waits for."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._creations: dict[str, int] = {}
        self._deletions: dict[str, set[str]] = {}
        self._since: dict[str, float] = {}

    def expect_creations(self, key: str, count: int) -> None:
        """So many objects were asked for."""
        self._creations[key] = self._creations.get(key, 0) + count
        self._since[key] = self._clock.monotonic()

    def expect_deletions(self, key: str, uids: set[str]) -> None:
        """These objects were asked to go."""
        self._deletions.setdefault(key, set()).update(uids)
        self._since[key] = self._clock.monotonic()

    def created(self, key: str) -> None:
        """One was seen (or could not be made)."""
        if self._creations.get(key, 0) > 0:
            self._creations[key] -= 1

    def deleted(self, key: str, uid: str) -> None:
        """One was seen to go (or could not be deleted)."""
        self._deletions.get(key, set()).discard(uid)

    def satisfied(self, key: str) -> bool:
        """Whether all was seen, or waited for long enough."""
        if not self._creations.get(key) and not self._deletions.get(key):
            return True
        return self._clock.monotonic() - self._since.get(key, 0.0) > _FORGET_SECONDS

    def forget(self, key: str) -> None:
        """The key's object has gone."""
        for kept in (self._creations, self._deletions, self._since):
            kept.pop(key, None)
