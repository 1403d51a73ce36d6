"""Bounded concurrency: more reads or writes at once than the limit are turned away with 429.

In the spirit of priority and fairness: system users (components, nodes, masters) have a share of their own that
ordinary traffic can't use up.
"""

from __future__ import annotations

from apimachinery.errors import TooManyRequests
from apiserver.authentication.user import MASTERS, NODES_GROUP, UserInfo

_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SYSTEM_SHARE = 2


class FlowControl:
    """Counts requests under way."""

    def __init__(self, reads: int, writes: int) -> None:
        self._limits = {True: reads, False: writes}
        self.under_way = {True: 0, False: 0}

    def enter(self, method: str, user: UserInfo) -> bool:
        """Take a place and return which kind it is; `TooManyRequests` when all are taken."""
        read = method in _READ_METHODS
        limit = self._limits[read]
        if limit and self.under_way[read] >= limit * (_SYSTEM_SHARE if _is_system(user) else 1):
            raise TooManyRequests("too many requests, please try again later", details={"retryAfterSeconds": 1})
        self.under_way[read] += 1
        return read

    def leave(self, read: bool) -> None:  # noqa: FBT001 - what `enter` has returned
        """Give the place back."""
        self.under_way[read] -= 1


def _is_system(user: UserInfo) -> bool:
    return user.name.startswith("system:kube-") or MASTERS in user.groups or NODES_GROUP in user.groups
