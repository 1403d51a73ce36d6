"""One-time tokens for the URLs of streams. Pure but for randomness; time comes in."""

import secrets
from typing import Generic, TypeVar

from cri import errors

T = TypeVar("T")
LIFE = 60.0
LIMIT = 1000


class Tokens(Generic[T]):
    """What was asked for, until somebody opens its URL."""

    def __init__(self) -> None:
        """None yet."""
        self._waiting: dict[str, tuple[float, T]] = {}

    def add(self, request: T, now: float) -> str:
        """Remember a request; returns its token.

        Raises:
            ResourceExhausted: too many are waiting.
        """
        self._waiting = {token: entry for token, entry in self._waiting.items() if entry[0] > now}
        if len(self._waiting) >= LIMIT:
            raise errors.ResourceExhausted("maximum number of in-flight requests exceeded")
        token = secrets.token_urlsafe(6)
        self._waiting[token] = (now + LIFE, request)
        return token

    def take(self, token: str, now: float) -> T | None:
        """The request of a token, once and in time."""
        expires, request = self._waiting.pop(token, (0.0, None))
        return request if expires > now else None
