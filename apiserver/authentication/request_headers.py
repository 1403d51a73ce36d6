"""Front-proxy headers: the user an authenticating proxy vouches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from apiserver.authentication.user import UserInfo


def readable(text: str) -> str:
    """Return a header's value with what is no UTF-8 replaced; it becomes part of names, messages and logs."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def values(headers: Mapping[str, str], name: str) -> list[str]:
    """Return all values of a header; works with plain mappings and multidicts."""
    getall: Any = getattr(headers, "getall", None)
    if getall is not None:
        return [readable(value) for value in getall(name, ())]
    value = headers.get(name)
    return [] if value is None else [readable(value)]


def prefixed(headers: Mapping[str, str], prefix: str) -> dict[str, tuple[str, ...]]:
    """Collect `Prefix-key: value` headers; keys are lower case and percent-decoded."""
    low = prefix.lower()
    out: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(low):
            key = readable(unquote(name[len(prefix) :].lower()))
            out[key] = (*out.get(key, ()), readable(value))
    return out


class RequestHeaders:
    """Reads X-Remote-* (or what the options name instead)."""

    def __init__(
        self,
        names: Iterable[str],
        *,
        user: Iterable[str] = ("X-Remote-User",),
        uid: Iterable[str] = ("X-Remote-Uid",),
        group: Iterable[str] = ("X-Remote-Group",),
        extra: Iterable[str] = ("X-Remote-Extra-",),
    ) -> None:
        self._names = frozenset(names)
        self._user = tuple(user)
        self._uid = tuple(uid)
        self._group = tuple(group)
        self._extra = tuple(extra)

    def authenticate(self, common_name: str, headers: Mapping[str, str]) -> UserInfo | None:
        """Return the user named in the headers, if the proxy's certificate has an allowed name."""
        if self._names and common_name not in self._names:
            return None
        name = next((readable(headers[header]) for header in self._user if headers.get(header)), "")
        if not name:
            return None
        uid = next((readable(headers[header]) for header in self._uid if headers.get(header)), "")
        groups = tuple(value for header in self._group for value in values(headers, header))
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in self._extra:
            extra.update(prefixed(headers, prefix))
        return UserInfo(name, uid, groups, extra)
