"""The one error of CNI: the specification's code, a message, details."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INCOMPATIBLE_VERSION = 1
UNSUPPORTED_FIELD = 2
UNKNOWN_CONTAINER = 3
INVALID_ENVIRONMENT = 4
IO_FAILURE = 5
DECODING_FAILURE = 6
INVALID_CONFIG = 7
INVALID_NETNS = 8
TRY_AGAIN_LATER = 11
NOT_AVAILABLE = 50
LIMITED_CONNECTIVITY = 51
INTERNAL = 999


class CNIError(Exception):
    """A CNI operation failed.

    Attributes:
        code: One of the specification's numbers; 100 and above are a plugin's own.
        msg: What failed, in a line.
        details: More about it; may be empty.
    """

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(code, msg, details)
        self.code, self.msg, self.details = code, msg, details

    def __str__(self) -> str:
        return f"{self.msg}; {self.details}" if self.details else self.msg

    def to_json(self, version: str) -> dict[str, Any]:
        """The error object of the specification."""
        answer: dict[str, Any] = {"cniVersion": version, "code": self.code, "msg": self.msg}
        if self.details:
            answer["details"] = self.details
        return answer


def from_exception(error: BaseException) -> CNIError:
    """The CNI error for whatever a plugin raised."""
    if isinstance(error, CNIError):
        return error
    if isinstance(error, ValueError):
        return CNIError(INVALID_CONFIG, str(error))
    if isinstance(error, OSError):
        return CNIError(INTERNAL, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    return CNIError(INTERNAL, f"{type(error).__name__}: {error}")
