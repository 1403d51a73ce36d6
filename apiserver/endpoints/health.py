"""/livez, /readyz, /healthz with ?verbose and single checks, /version, /metrics."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from aiohttp import web

from apimachinery.errors import NotFound
from apiserver.endpoints.exchange import Exchange
from component.version import version_info

Check = Callable[[], str]
"""Returns nothing when all is well, else the reason."""


class Health:
    """The named checks behind the three paths."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self._only_ready: set[str] = set()

    def add(self, name: str, check: Check, *, only_ready: bool = False) -> None:
        """Add a check; those of readiness don't count for liveness."""
        self.checks[name] = check
        if only_ready:
            self._only_ready.add(name)

    def answer(self, exchange: Exchange) -> web.Response:
        """Answer /livez, /readyz or /healthz, whole or `/NAME`."""
        _, endpoint, *rest = exchange.info.path.split("/")
        names = [name for name in self.checks if endpoint == "readyz" or name not in self._only_ready]
        if rest and rest != [""]:
            wanted = "/".join(rest)
            if wanted not in names:
                raise NotFound.path()
            names = [wanted]
        excluded = set(exchange.info.query.get("exclude", []))
        lines, failed = [], False
        for name in names:
            reason = "" if name in excluded else self.checks[name]()
            failed = failed or bool(reason)
            note = "excluded: ok" if name in excluded else "failed: reason withheld" if reason else "ok"
            lines.append(f"[{'-' if reason else '+'}]{name} {note}")
        if failed:
            text = "\n".join([*lines, f"{endpoint} check failed"])
            return exchange.answer(f"{text}\n".encode(), 500, "text/plain; charset=utf-8")
        if "verbose" in exchange.info.query:
            unknown = sorted(excluded - set(self.checks))
            if unknown:
                listed = ",".join(f'"{name}"' for name in unknown)
                lines.append(f"warn: some health checks cannot be excluded: no matches for {listed}")
            text = "\n".join([*lines, f"{endpoint} check passed"])
            return exchange.answer(f"{text}\n".encode(), 200, "text/plain; charset=utf-8")
        return exchange.answer(b"ok", 200, "text/plain; charset=utf-8")


def version(exchange: Exchange) -> web.Response:
    """Answer /version."""
    return exchange.answer(orjson.dumps(version_info(), option=orjson.OPT_INDENT_2) + b"\n")
