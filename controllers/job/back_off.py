"""How long a Job waits before it replaces failed pods: 10 s, doubled with each failure in a row (pure)."""

from __future__ import annotations

from typing import Final

from apimachinery.objects.metadata import Obj
from controllers.job.pods import finished_at, is_failed, phase

_FIRST_SECONDS: Final = 10.0
_MOST_SECONDS: Final = 600.0


def delay(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    return min(_FIRST_SECONDS * 2.0 ** min(failures - 1, 16), _MOST_SECONDS) if failures > 0 else 0.0


def remaining(pods: list[Obj], now: float, *, only_failed: bool) -> float:
    """Return the seconds until the next pod may be made.

    Args:
        pods: The Job's pods.
        now: This moment, as a Unix time.
        only_failed: See `is_failed`.
    """
    successes = [finished_at(pod) for pod in pods if phase(pod) == "Succeeded"]
    last_success = max(successes, default=0.0)
    failures = [finished_at(pod) for pod in pods if is_failed(pod, only_failed=only_failed)]
    since = [when for when in failures if when > last_success]
    return max(0.0, delay(len(since)) - (now - max(since))) if since else 0.0
