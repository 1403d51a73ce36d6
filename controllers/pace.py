"""Keeps what follows many pods from being written for each of them: at once, then not again for a moment (pure)."""


class Pace:
    """When a key may be written again.

    Args:
        period: Seconds between two writes of one key.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._last: dict[str, float] = {}

    def wait(self, key: str, now: float) -> float:
        """Seconds until a key may be written; 0 if it may.

        Args:
            key: The key.
            now: Monotonic seconds.
        """
        last = self._last.get(key)
        return 0.0 if last is None else max(0.0, last + self._period - now)

    def wrote(self, key: str, now: float) -> None:
        """A key was written."""
        self._last[key] = now

    def forget(self, key: str) -> None:
        """A key has gone."""
        self._last.pop(key, None)
