"""Refusals that upstream answers with a line of text instead of a `Status`: a filter or proxy speaks, not the API."""

from __future__ import annotations


class PlainError(Exception):
    """A refusal in plain text.

    Args:
        code: the HTTP status.
        text: the body, without its line end.
        headers: further headers.
    """

    def __init__(self, code: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.headers = headers or {}
