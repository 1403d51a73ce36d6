"""Completion indexes: `1,3-5,7` as a set and back (pure)."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str, completions: int) -> set[int]:
    """Return the indexes of a compressed list; what is at or above the number of completions is left out.

    Args:
        text: Numbers and ranges, as in `status.completedIndexes`.
        completions: How many indexes the Job has.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last.isdecimal() or not last):
            found.update(range(int(first), min(int(last or first), completions - 1) + 1))
    return found


def compress(indexes: Iterable[int]) -> str:
    """Return the list of indexes, with ranges where three or more follow each other."""
    parts: list[str] = []
    ordered = sorted(set(indexes))
    start = 0
    for position in range(1, len(ordered) + 1):
        if position < len(ordered) and ordered[position] == ordered[position - 1] + 1:
            continue
        first, last = ordered[start], ordered[position - 1]
        if first == last:
            parts.append(str(first))
        elif last == first + 1:
            parts += [str(first), str(last)]
        else:
            parts.append(f"{first}-{last}")
        start = position
    return ",".join(parts)
