"""All that minikube-py shows to a person. Nothing else in the launcher prints.

Steps go to standard output, one line each, as they happen; warnings and failures go to standard error. On a terminal
lines begin with a symbol, elsewhere with a plain mark, so that logs stay readable.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from minikube_py.reasons import Failure

_SYMBOLS = {
    "start": ("😄", "*"),
    "step": ("✨", "*"),
    "sub": ("▪", "-"),
    "done": ("🏄", "*"),
    "stop": ("🛑", "*"),
    "delete": ("🔥", "*"),
    "info": ("💡", "*"),
    "warning": ("❗", "!"),
    "failure": ("❌", "X"),
}


class Console:
    """Prints steps, warnings and failures.

    Args:
        quiet: Show nothing but warnings and failures.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._fancy = sys.stdout.isatty() and os.environ.get("NO_COLOR") is None and _utf8()

    def _line(self, kind: str, text: str) -> str:
        return f"{_SYMBOLS[kind][0 if self._fancy else 1]}  {text}"

    def say(self, kind: str, text: str) -> None:
        """Show one line of a kind of `_SYMBOLS` on standard output."""
        if not self.quiet:
            print(self._line(kind, text), flush=True)  # noqa: T201 - this is the printer

    def out(self, text: str) -> None:
        """Show what the person asked for, unadorned (never silenced)."""
        print(text, flush=True)  # noqa: T201 - this is the printer

    def warn(self, text: str) -> None:
        """Show a warning on standard error."""
        print(self._line("warning", text), file=sys.stderr, flush=True)  # noqa: T201 - this is the printer

    def failure(self, failure: Failure) -> None:
        """Show why a command ends, and the mend."""
        print(  # noqa: T201 - this is the printer
            self._line("failure", f"Exiting due to {failure.reason.id}: {failure.message}"), file=sys.stderr
        )
        print(self._line("info", f"Suggestion: {failure.advice}"), file=sys.stderr, flush=True)  # noqa: T201 - this is the printer

    @contextmanager
    def timed(self, text: str) -> Iterator[None]:
        """Show a step before it runs, and how long it took where that was noticeable."""
        self.say("step", text)
        begun = time.monotonic()
        yield
        took = time.monotonic() - begun
        if took >= 0.5:
            self.say("sub", f"{took:.1f} s")


def _utf8() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()
