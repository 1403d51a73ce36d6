"""The message a dead container leaves: its termination file, or the tail of its log when the policy says so."""

from __future__ import annotations

import os

FILE_LIMIT = 4096
LOG_LIMIT = 2048
LOG_LINES = 80


def termination_message(path: str, log_path: str, *, fallback: bool) -> str:
    """Read it; an absent file is an empty message."""
    text = _head(path) if path else ""
    if text or not fallback:
        return text
    return _log_tail(log_path)


def _head(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(FILE_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""


def _log_tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 64 * 1024))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return ""
    content = b"".join(_content(line) for line in lines[-LOG_LINES:])
    return content[-LOG_LIMIT:].decode("utf-8", "replace")


def _content(line: bytes) -> bytes:
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return b""
    return parts[3].rstrip(b"\n") if parts[2].startswith(b"P") else parts[3]
