"""nftables: a list of commands as one transaction, through libnftables where it is installed, else through nft.

All of a call's commands take effect, or none.
"""

from __future__ import annotations

import errno

from linux.c_library import INT, POINTER, TEXT, UNSIGNED, Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIBRARY = "libnftables.so.1"
_JSON_OUTPUT = 1 << 4
_STATE: dict[str, Any] = {}
_NOT_THERE = ("No such file or directory", "does not exist")


class NftablesError(OSError):
    """nft refused the commands; the text is its complaint. Its errno is ENOENT where something is not there."""


class _Nftables:
    """The functions of libnftables."""

    __slots__ = ("buffer_error", "buffer_output", "error", "free", "new", "output", "run", "set_flags")

    def __init__(self) -> None:
        library = Library(_LIBRARY)
        self.new = library.function("nft_ctx_new", POINTER, UNSIGNED)
        self.free = library.function("nft_ctx_free", INT, POINTER)
        self.buffer_output = library.function("nft_ctx_buffer_output", INT, POINTER)
        self.buffer_error = library.function("nft_ctx_buffer_error", INT, POINTER)
        self.set_flags = library.function("nft_ctx_output_set_flags", INT, POINTER, UNSIGNED)
        self.run = library.function("nft_run_cmd_from_buffer", INT, POINTER, TEXT)
        self.output = library.function("nft_ctx_get_output_buffer", TEXT, POINTER)
        self.error = library.function("nft_ctx_get_error_buffer", TEXT, POINTER)


def _library() -> _Nftables | None:
    if "library" not in _STATE:
        try:
            _STATE["library"] = _Nftables()
        except OSError:
            _STATE["library"] = None
    found: _Nftables | None = _STATE["library"]
    return found


def run(commands: str, *, json: bool = False) -> str:
    """Carry out nft commands (or a ruleset) as one transaction, in the calling thread's network namespace.

    Args:
        commands: As in a file for `nft -f`.
        json: Let the output be JSON.

    Returns:
        What nft prints (for `list` commands).

    Raises:
        NftablesError: nothing was changed then.
    """
    library = _library()
    if library is None:
        return _run_program(commands, json=json)
    # A context holds a netlink socket and so belongs to one namespace: it is made anew for each call (0.1 ms).
    context = library.new(0)
    if not context:
        raise NftablesError(errno.ENOMEM, "nft: no context")
    try:
        library.buffer_output(context)
        library.buffer_error(context)
        if json:
            library.set_flags(context, _JSON_OUTPUT)
        failed = library.run(context, commands.encode())
        output = library.output(context) or b""
        if failed:
            raise _error((library.error(context) or b"").decode(errors="replace"))
        return bytes(output).decode(errors="replace")
    finally:
        library.free(context)


def _run_program(commands: str, *, json: bool) -> str:
    import subprocess

    # With JSON output nft takes what comes on stdin for JSON too, but not what is an argument.
    words, text = (["nft", "-j", commands], "") if json else (["nft", "-f", "-"], commands)
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NftablesError(errno.ENOSYS, "neither libnftables.so.1 nor nft is installed (package nftables)") from None
    if done.returncode:
        raise _error(done.stderr)
    return done.stdout


def _error(complaint: str) -> NftablesError:
    text = complaint.strip() or "unknown error"
    number = errno.ENOENT if any(words in text for words in _NOT_THERE) else errno.EINVAL
    if "Operation not permitted" in text:
        number = errno.EPERM
    elif "File exists" in text:
        number = errno.EEXIST
    return NftablesError(number, f"nft: {text}")


def list_tables(family: str = "") -> list[tuple[str, str]]:
    """The tables as (family, name)."""
    found = []
    for line in run(f"list tables {family}".strip()).splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "table":
            found.append((words[1], words[2]))
    return found


def table_exists(family: str, name: str) -> bool:
    """Whether there is such a table."""
    return (family, name) in list_tables(family)


def delete_table(family: str, name: str) -> None:
    """Remove a table with all it holds; passes where there is none."""
    try:
        run(f"delete table {family} {name}")
    except NftablesError as error:
        if error.errno != errno.ENOENT:
            raise


def set_elements(family: str, table: str, name: str) -> list[Any]:
    """The elements of a set or map, as nft's JSON has them; empty where there is none."""
    return named_elements(family, table, "set", name)


def map_elements(family: str, table: str, name: str) -> list[Any]:
    """The elements of a map, as nft's JSON has them; empty where there is none."""
    return named_elements(family, table, "map", name)


def named_elements(family: str, table: str, kind: str, name: str) -> list[Any]:
    """The elements of a set (kind `set`) or map (kind `map`)."""
    import json

    try:
        listed = json.loads(run(f"list {kind} {family} {table} {name}", json=True))
    except NftablesError as error:
        if error.errno == errno.ENOENT:
            return []
        raise
    for one in listed["nftables"]:
        if kind in one:
            return list(one[kind].get("elem", []))
    return []
