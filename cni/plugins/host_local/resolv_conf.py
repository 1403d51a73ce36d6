"""resolv.conf as the `dns` of a result."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parse_file(path: str) -> dict[str, Any]:
    """Read a file.

    Raises:
        OSError: if it can't be read.
    """
    with open(path, encoding="utf-8") as file:
        return parse(file.read())


def parse(text: str) -> dict[str, Any]:
    """Nameservers, domain, search list and options of a resolv.conf."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or line[0] in "#;":
            continue
        if words[0] == "nameserver":
            found.setdefault("nameservers", []).append(words[1])
        elif words[0] == "domain":
            found["domain"] = words[1]
        elif words[0] in ("search", "options"):
            found.setdefault(words[0], []).extend(words[1:])
    return found
