"""API errors: one exception per `Status` reason, the same class on the server's and the client's side.

    APIError
    ├── BadRequest 400            ├── Conflict 409               ├── TooManyRequests 429
    ├── Unauthorized 401          │   └── AlreadyExists          ├── InternalError 500
    ├── Forbidden 403             ├── Gone 410                   ├── ServiceUnavailable 503
    ├── NotFound 404              │   └── Expired                └── Timeout 504, ServerTimeout 500
    ├── MethodNotAllowed 405      ├── RequestEntityTooLarge 413
    ├── NotAcceptable 406         ├── UnsupportedMediaType 415
    └── Invalid 422

Wording follows k8s.io/apimachinery's, which clients match on.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from apimachinery.objects.field_path import FieldError
from apimachinery.resources import Resource

Details = dict[str, Any]


class APIError(Exception):
    """An error that the API tells as a `Status`.

    Args:
        message: For people; clients match on parts of some.
        details: `Status.details`: name, group, kind, causes, retryAfterSeconds, …
        continue_token: `Status.metadata.continue`, for lists that can go on inconsistently.
        code: The HTTP status, where it is not the reason's own.
        reason: The reason, where it is not the class's own.
    """

    code: int = 500
    reason: str = ""
    _by_reason: ClassVar[dict[str, type["APIError"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        APIError._by_reason[cls.reason] = cls

    def __init__(
        self,
        message: str,
        *,
        details: Details | None = None,
        continue_token: str = "",
        code: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.continue_token = continue_token
        if code is not None:
            self.code = code
        if reason is not None:
            self.reason = reason

    @property
    def causes(self) -> list[dict[str, str]]:
        """`Status.details.causes`."""
        return (self.details or {}).get("causes") or []

    @property
    def retry_after(self) -> int:
        """Seconds after which to try again; 0 where the server said nothing."""
        return int((self.details or {}).get("retryAfterSeconds") or 0)

    def to_status(self) -> dict[str, Any]:
        """The `Status` object (v1)."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        status["code"] = self.code
        return status


def from_status(status: dict[str, Any]) -> APIError:
    """The exception of a `Status`; a plain APIError where its reason is unknown."""
    reason = str(status.get("reason") or "")
    kind = APIError._by_reason.get(reason, APIError)  # noqa: SLF001 - the registry of this tree
    return kind(
        str(status.get("message") or reason or "unknown"),
        details=status.get("details"),
        continue_token=str((status.get("metadata") or {}).get("continue") or ""),
        code=int(status.get("code") or kind.code),
        reason=reason,
    )


def _details(resource: Resource | None, name: str = "", **more: Any) -> Details:
    details: Details = {}
    if name:
        details["name"] = name
    if resource is not None:
        if resource.group:
            details["group"] = resource.group
        details["kind"] = resource.plural
    details.update(more)
    return details


class BadRequest(APIError):  # noqa: N818 - named for the Status reason
    """The request makes no sense."""

    code, reason = 400, "BadRequest"


class Unauthorized(APIError):  # noqa: N818
    """Nobody is known to ask."""

    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized", **more: Any) -> None:
        super().__init__(message, **more)


class Forbidden(APIError):  # noqa: N818
    """Who asks may not."""

    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, resource: Resource, name: str, why: str) -> Self:
        """`pods "x" is forbidden: why`."""
        quoted = (
            f'{resource.group_resource} "{name}" is forbidden' if name else f"{resource.group_resource} is forbidden"
        )
        return cls(f"{quoted}: {why}", details=_details(resource, name))


class NotFound(APIError):  # noqa: N818
    """There is no such object."""

    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, resource: Resource, name: str) -> Self:
        """`pods "x" not found`."""
        return cls(f'{resource.group_resource} "{name}" not found', details=_details(resource, name))

    @classmethod
    def path(cls) -> Self:
        """What an unknown path answers."""
        return cls("the server could not find the requested resource", details={})


class MethodNotAllowed(APIError):  # noqa: N818
    """The resource does not support the verb."""

    code, reason = 405, "MethodNotAllowed"

    @classmethod
    def of(cls, resource: Resource, verb: str) -> Self:
        """`create is not supported on resources of kind "pods"`."""
        return cls(
            f'{verb} is not supported on resources of kind "{resource.group_resource}"', details=_details(resource)
        )


class NotAcceptable(APIError):  # noqa: N818
    """No media type that the client accepts can be served."""

    code, reason = 406, "NotAcceptable"


class Conflict(APIError):  # noqa: N818
    """The object has changed, or a precondition does not hold."""

    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, resource: Resource, name: str, why: str) -> Self:
        """`Operation cannot be fulfilled on pods "x": why`."""
        return cls(
            f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}',
            details=_details(resource, name),
        )

    @classmethod
    def modified(cls, resource: Resource, name: str) -> Self:
        """An update from a stale version."""
        return cls.of(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )


class AlreadyExists(Conflict):
    """An object of that name is there."""

    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, resource: Resource, name: str, why: str = "") -> Self:  # noqa: ARG003 - Conflict's signature
        """`pods "x" already exists`."""
        return cls(f'{resource.group_resource} "{name}" already exists', details=_details(resource, name))


class Gone(APIError):  # noqa: N818
    """What was asked for is no longer there."""

    code, reason = 410, "Gone"


class Expired(Gone):
    """The resource version or continue token is too old."""

    code, reason = 410, "Expired"


class RequestEntityTooLarge(APIError):  # noqa: N818
    """The body is too large."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(APIError):  # noqa: N818
    """The body's media type is not understood."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(APIError):  # noqa: N818
    """The object breaks rules of its kind."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, kind: str, group: str, name: str, errors: Iterable[FieldError]) -> Self:
        """`Pod "x" is invalid: …` with a cause for each error."""
        found = list(errors)
        details: Details = {"name": name} if name else {}
        if group:
            details["group"] = group
        details["kind"] = kind
        details["causes"] = [{"reason": error.type, "message": error.body(), "field": error.field} for error in found]
        texts = [str(error) for error in found]
        told = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        qualified = f"{kind}.{group}" if group else kind
        return cls(f'{qualified} "{name}" is invalid: {told}', details=details)


class TooManyRequests(APIError):  # noqa: N818
    """Try again later."""

    code, reason = 429, "TooManyRequests"


class InternalError(APIError):
    """The server is at fault."""

    code, reason = 500, "InternalError"

    @classmethod
    def of(cls, error: object) -> Self:
        """`Internal error occurred: …`."""
        return cls(f"Internal error occurred: {error}", details={"causes": [{"message": str(error)}]})


class ServerTimeout(APIError):  # noqa: N818
    """The server could not do it in time; it may be tried again."""

    code, reason = 500, "ServerTimeout"


class ServiceUnavailable(APIError):  # noqa: N818
    """The server can't answer now."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(APIError):  # noqa: N818
    """The request took too long."""

    code, reason = 504, "Timeout"
