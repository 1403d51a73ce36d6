"""Logs as a constant message and key=value pairs, one line each, on standard error.

Form: `I1123 20:10:03.123456 kubelet "Pod started" pod="default/web"`, as Kubernetes' components write. `-v` raises the
level of what is shown: 0 info, 1 and more also debug.
"""

import sys
import time
import traceback
from typing import Any

_LETTERS = {"debug": "D", "info": "I", "warning": "W", "error": "E"}
_RANKS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_verbosity = 0
_least = 1
_component = ""


def configure(component: str, verbosity: int = 0) -> None:
    """Set the component's name and how much is shown; once, at start."""
    global _component, _verbosity, _least
    _component, _verbosity = component, verbosity
    _least = _RANKS["debug" if verbosity >= 1 else "info"]


def show_from(level: str) -> None:
    """Show lines of a level (debug, info, warning, error) and those above it."""
    global _least
    _least = _RANKS[level]


class Logger:
    """Writes lines of one part of a component.

    Args:
        name: The part, shown before the message.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, message: str, **values: Any) -> None:
        """Shown from `-v 1` on."""
        self._write("debug", message, values)

    def info(self, message: str, **values: Any) -> None:
        """A change of state."""
        self._write("info", message, values)

    def warning(self, message: str, **values: Any) -> None:
        """Something odd that was dealt with."""
        self._write("warning", message, values)

    def error(self, message: str, *, error: BaseException | None = None, **values: Any) -> None:
        """Something that failed, with the exception's trace where one is given.

        Failures of the world around and those that say of themselves that they are `expected` (an answer, no fault of
        the program) show their trace only when `-v` is raised.
        """
        if error is not None:
            values["err"] = f"{type(error).__name__}: {error}"
        self._write("error", message, values)
        expected = isinstance(error, OSError) or getattr(error, "expected", False)
        if error is not None and (_verbosity >= 1 or not expected):
            traceback.print_exception(error, file=sys.stderr)

    def exception(self, message: str, **values: Any) -> None:
        """As `error`, with the exception being handled."""
        self.error(message, error=sys.exception(), **values)

    def _write(self, level: str, message: str, values: dict[str, Any]) -> None:
        if _RANKS[level] < _least:
            return
        now = time.time()
        stamp = time.strftime("%m%d %H:%M:%S", time.localtime(now))
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in values.items())
        where = f"{_component}/{self._name}" if _component else self._name
        line = f'{_LETTERS[level]}{stamp}.{int(now % 1 * 1e6):06d} {where} "{message}"{pairs}\n'
        try:
            sys.stderr.write(line)
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads our log any more; the work goes on


def _quoted(value: Any) -> str:
    if isinstance(value, (int, float, bool)):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def get_logger(name: str) -> Logger:
    """A logger for a part of a component."""
    return Logger(name)
