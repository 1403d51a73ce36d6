"""Elements of our nftables tables: found by the comment that says whose they are, and removed together.

A table that would be empty afterwards is removed whole, in the same transaction.
"""

from __future__ import annotations

import errno

from cni import documents
from linux import netns, nftables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Element:
    """One element of a map or set, as nft's JSON has it.

    Attributes:
        name: The map or set.
        key: Its key, in nft's words.
        comment: Whose it is.
        target: The chain of its verdict, where it has one.
    """

    __slots__ = ("comment", "key", "name", "target")

    def __init__(self, name: str, key: Any, value: Any = None) -> None:
        self.name = name
        self.comment = ""
        if isinstance(key, dict) and "elem" in key:
            self.comment = str(key["elem"].get("comment", ""))
            key = key["elem"]["val"]
        words = key["concat"] if isinstance(key, dict) else [key]
        self.key = " . ".join(str(word) for word in words)
        self.target = str(value["jump"]["target"]) if isinstance(value, dict) and "jump" in value else ""


def parse(listed: Any) -> list[Element]:
    """The elements in the JSON listing of a table."""
    found = []
    for one in listed["nftables"]:
        if "map" in one:
            found += [Element(one["map"]["name"], key, value) for key, value in one["map"].get("elem", [])]
        elif "set" in one:
            found += [Element(one["set"]["name"], key) for key in one["set"].get("elem", [])]
    return found


def present(table: str) -> list[Element]:
    """The elements of a table (`FAMILY NAME`); empty where there is none."""
    try:
        return parse(documents.loads(nftables.run(f"list table {table}", json=True)))
    except nftables.NftablesError as error:
        if error.errno in (errno.ENOENT, errno.EAFNOSUPPORT):
            return []
        raise


def removal(table: str, there: list[Element], gone: list[Element], *, own_chains: bool = False) -> list[str]:
    """The commands that remove elements from a table; the whole table where nothing else is in it.

    Args:
        table: `FAMILY NAME`.
        there: All its elements.
        gone: Those to remove.
        own_chains: Each element's chain is its own, and goes with it.
    """
    if not gone:
        return []
    if len(gone) == len(there):
        return [f"delete table {table}"]
    lines = [f"delete element {table} {one.name} {{ {one.key} }}" for one in gone]
    if own_chains:
        lines += [f"delete chain {table} {one.target}" for one in gone if one.target]
    return lines


def remove(table: str, matches: Callable[[str], bool], *, own_chains: bool = False) -> list[Element]:
    """Remove the elements whose comments match. Returns them."""
    with netns.lock():
        there = present(table)
        gone = [one for one in there if matches(one.comment)]
        commands = removal(table, there, gone, own_chains=own_chains)
        if commands:
            nftables.run("\n".join(commands))
    return gone


def holds(table: str, comment: str) -> bool:
    """Whether a table has an element with that comment."""
    return any(one.comment == comment for one in present(table))
