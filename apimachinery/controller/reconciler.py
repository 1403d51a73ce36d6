"""What a reconciler is: a function of a key. It looks at what is, does what is missing, and says when to look again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconciliation ended well.

    Attributes:
        requeue_after: Look at the key again after so many seconds; None: when something changes.
    """

    requeue_after: float | None = None


DONE = Result()

Reconcile = Callable[[str], Awaitable[Result | None]]
