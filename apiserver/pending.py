"""Parts that others are about to land; each import goes away with its part."""

from __future__ import annotations

from typing import Any


class NoAggregator:
    """Nothing is served elsewhere."""

    def __init__(self, *_: Any) -> None: ...
    def match(self, path: str) -> None:
        """Nobody else serves a path."""

    def groups(self) -> list[Any]:
        """No groups."""
        return []

    def aggregated_groups(self) -> list[Any]:
        """No groups."""
        return []

    async def run(self) -> None:
        """Nothing to do."""

    async def handle(self, *_: Any) -> None:
        """Never called."""


Aggregator: Any
try:
    from apiserver.aggregator.proxy import Aggregator
except ImportError:
    Aggregator = NoAggregator
