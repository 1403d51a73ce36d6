"""One stored object as the cache keeps it: its JSON body as bytes, with the resourceVersion already in it.

The body is everything after apiVersion and kind: `"metadata":{"resourceVersion":"7",…},"spec":{…}}`. A GET puts the
header of the asked version before it, a LIST joins bodies, a WATCH frames them; none of them parses.
"""

from __future__ import annotations

from typing import Any

import orjson

_METADATA = b'"metadata":{'
_MARK = b'"metadata":{"resourceVersion":"'


def header(api_version: str, kind: str) -> bytes:
    """Return the opening bytes of an object of this kind."""
    return b'{"kind":' + orjson.dumps(kind) + b',"apiVersion":' + orjson.dumps(api_version) + b","


def encode_body(obj: dict[str, Any]) -> bytes:
    """Encode an object without apiVersion, kind and resourceVersion; metadata comes first."""
    metadata = obj.get("metadata") or {}
    if "resourceVersion" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    parts = {"metadata": metadata}
    parts.update({key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")})
    return orjson.dumps(parts)[1:]


def with_revision(body: bytes, revision: int) -> bytes:
    """Put the resourceVersion into a body that has none."""
    rest = body[len(_METADATA) :]
    comma = b"" if rest[:1] == b"}" else b","
    return b'%s%d"%s%s' % (_MARK, revision, comma, rest)


def replace_revision(body: bytes, revision: int) -> bytes:
    """Replace the resourceVersion of a body that has one."""
    return b"%s%d%s" % (_MARK, revision, body[body.index(b'"', len(_MARK)) :])


_HEADS: dict[bytes, bytes] = {}


def split_value(value: bytes) -> tuple[bytes, bytes]:
    """Return header and body of a value as stored in etcd; equal headers are one object in memory.

    Values written by us start with the header; anything else (another server's order of keys) is parsed once.
    """
    start = value.find(_METADATA, 0, 400)
    if start > 0 and value[:start].count(b'":') == 2 and value[:1] == b"{":  # just apiVersion and kind before it
        head = value[:start]
        return _HEADS.setdefault(head, head), value[start:]
    obj = orjson.loads(value)
    head = header(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
    return _HEADS.setdefault(head, head), encode_body(obj)


class Entry:
    """A cached object. Labels and metadata are parsed when first asked for; the object itself never stays parsed."""

    __slots__ = ("_fields", "body", "head", "key", "known_labels", "revision")

    def __init__(self, key: str, head: bytes, body: bytes, revision: int) -> None:
        self.key = key
        self.head = head
        self.body = body
        self.revision = revision
        self.known_labels: dict[str, str] | None = None
        self._fields: dict[str, str] | None = None

    @classmethod
    def from_value(cls, key: str, value: bytes, revision: int) -> Entry:
        """Make an entry of a value as stored in etcd."""
        head, body = split_value(value)
        return cls(key, head, with_revision(body, revision), revision)

    @property
    def namespace(self) -> str:
        """The namespace in the key, or nothing for a cluster-scoped object."""
        head, slash, _ = self.key.partition("/")
        return head if slash else ""

    @property
    def name(self) -> str:
        """The name in the key."""
        return self.key.rpartition("/")[2]

    def parse(self) -> dict[str, Any]:
        """Return a fresh dict of the object, as stored."""
        parsed: dict[str, Any] = orjson.loads(self.head + self.body)
        return parsed

    @property
    def labels(self) -> dict[str, str]:
        """The object's labels."""
        if self.known_labels is None:
            labels = self.parse()["metadata"].get("labels")
            self.known_labels = labels if isinstance(labels, dict) else {}
        return self.known_labels

    def set_labels(self, labels: dict[str, str]) -> None:
        """Tell the labels when the caller has them parsed anyhow."""
        self.known_labels = labels

    @property
    def fields_known(self) -> bool:
        """Whether the selectable fields have been found."""
        return self._fields is not None

    def fields(self, fields_of: Any) -> dict[str, str]:
        """Return the selectable fields, found once by `fields_of(object)`."""
        if self._fields is None:
            self._fields = fields_of(self.parse())
        return self._fields

    def with_new_revision(self, revision: int) -> Entry:
        """Return the same object as of a later revision (a deletion's)."""
        other = Entry(self.key, self.head, replace_revision(self.body, revision), revision)
        other.known_labels = self.known_labels
        other._fields = self._fields
        return other
