"""What one watcher or list sees of a resource: a key range, a label selector, a field selector.

Turns a cache event into the event as seen through the selectors: an object that begins to match is ADDED, one that
no longer does is DELETED.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from apiserver.storage.cache.entry import Entry
from apiserver.storage.cache.history import CacheEvent
from apiserver.storage.cache.watch_cache import WatchCache


class Matcher(Protocol):
    """A label or field selector."""

    def matches(self, values: dict[str, str]) -> bool:
        """Tell whether labels or fields match."""


def _one_label(selector: Matcher | None) -> tuple[str, Any] | None:
    """Return key and values of a label selector that is nothing but `key=value` or `key in (values)`, as most are."""
    requirements: Any = getattr(selector, "requirements", ())
    if len(requirements) == 1 and requirements[0].operator == "in" and not getattr(selector, "impossible", False):
        return requirements[0].key, requirements[0].values
    return None


class Selection:
    """Which objects are of interest.

    Args:
        prefix: keys must begin with it (`ns/`), or nothing.
        labels: label selector, None for all.
        fields: field selector, None for all.
        fields_of: finds the selectable fields of a parsed object.
    """

    __slots__ = ("_fields_of", "_one_label", "fields", "key", "labels", "prefix")

    def __init__(
        self,
        prefix: str = "",
        labels: Matcher | None = None,
        fields: Matcher | None = None,
        fields_of: Callable[[dict[str, object]], dict[str, str]] | None = None,
        key: str = "",
    ) -> None:
        self.prefix = prefix
        self.labels = labels
        self.fields = fields
        self.key = key
        self._fields_of = fields_of
        self._one_label = _one_label(labels)

    @property
    def everything(self) -> bool:
        """Whether selectors let all objects of the range pass."""
        return self.labels is None and self.fields is None and not self.key

    def in_range(self, key: str) -> bool:
        """Tell whether a key is in the range."""
        return key == self.key if self.key else key.startswith(self.prefix)

    def matches(self, entry: Entry) -> bool:
        """Tell whether an object of the range passes the selectors."""
        if self._one_label is not None:
            key, values = self._one_label
            if entry.labels.get(key) not in values:
                return False
        elif self.labels is not None and not self.labels.matches(entry.labels):
            return False
        return self.fields is None or self.fields.matches(entry.fields(self._fields_of))

    def entries(self, cache: WatchCache) -> list[Entry]:
        """Return what a cache holds of it now."""
        if self.key:
            found = cache.entries.get(self.key)
            candidates = [found] if found is not None else []
        else:
            candidates = cache.select(self.prefix)
        return self.filtered(candidates)

    def filtered(self, candidates: list[Entry]) -> list[Entry]:
        """Return those of a range that pass the selectors."""
        if self.labels is None and self.fields is None:
            return candidates
        if self.fields is None and self._one_label is not None:
            # The whole cost of a list by label is this line, for each object that is not asked for.
            key, values = self._one_label
            return [one for one in candidates if (one.known_labels or one.labels).get(key) in values]
        return [entry for entry in candidates if self.matches(entry)]

    def effective(self, event: CacheEvent) -> tuple[str, Entry] | None:
        """Return the event's type and object as seen through the selectors, or None."""
        entry = event.entry
        if not self.in_range(entry.key):
            return None
        previous = event.previous
        if self.labels is None and self.fields is None:
            if event.deleted:
                return "DELETED", entry
            return ("MODIFIED" if previous is not None else "ADDED"), entry
        before = previous is not None and self.matches(previous)
        now = not event.deleted and self.matches(entry)
        if now:
            return ("MODIFIED" if before else "ADDED"), entry
        if not before or previous is None:
            return None
        return "DELETED", entry if event.deleted else previous.with_new_revision(event.revision)
