# ruff: noqa: N818  the names are those of the gRPC codes
"""The errors of the runtime, each with the gRPC code it leaves as.

::

    CRIError
    ├── NotFound             NOT_FOUND            no such container, sandbox, image
    ├── InvalidArgument      INVALID_ARGUMENT     the request contradicts itself or the API
    ├── AlreadyExists        ALREADY_EXISTS       the name belongs to another object
    ├── FailedPrecondition   FAILED_PRECONDITION  the object is in a state that forbids the call
    ├── ResourceExhausted    RESOURCE_EXHAUSTED   too many streams, disk full
    ├── DeadlineExceeded     DEADLINE_EXCEEDED    a command or the runtime took too long
    ├── Unavailable          UNAVAILABLE          a peer (registry, plugin) is not there
    ├── Unimplemented        UNIMPLEMENTED        this runtime or host has no such thing
    ├── PullFailed           UNKNOWN              an image could not be pulled
    └── Internal             INTERNAL             crun, conmon, the kernel or the store refused

``grpc_code`` is the name of the code, so that nothing but the server needs gRPC. The message names the cause, since
the kubelet shows it to the user as it is.
"""

import errno


class CRIError(Exception):
    """An expected failure of one call."""

    grpc_code = "UNKNOWN"
    expected = True


class NotFound(CRIError):
    """The named object does not exist."""

    grpc_code = "NOT_FOUND"


class InvalidArgument(CRIError):
    """The request itself is wrong."""

    grpc_code = "INVALID_ARGUMENT"


class AlreadyExists(CRIError):
    """The name is taken by an object with another configuration."""

    grpc_code = "ALREADY_EXISTS"


class FailedPrecondition(CRIError):
    """The object's state forbids the call."""

    grpc_code = "FAILED_PRECONDITION"


class ResourceExhausted(CRIError):
    """A limit of ours or of the host is reached."""

    grpc_code = "RESOURCE_EXHAUSTED"


class DeadlineExceeded(CRIError):
    """Something took longer than it was allowed to."""

    grpc_code = "DEADLINE_EXCEEDED"


class Unavailable(CRIError):
    """A peer we need does not answer."""

    grpc_code = "UNAVAILABLE"


class Unimplemented(CRIError):
    """Neither we nor this host can do that."""

    grpc_code = "UNIMPLEMENTED"


class Internal(CRIError):
    """A part below us failed; the message carries its own words."""

    grpc_code = "INTERNAL"


_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def of_kernel(error: OSError) -> CRIError:
    """An error of the kernel that nobody could say more about."""
    words = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return ResourceExhausted(words) if error.errno in _EXHAUSTED else Internal(words)


class PullFailed(CRIError):
    """An image could not be pulled.

    The kubelet looks at the beginning of the message, and finds it there only under this code: it writes any other one
    before the message.
    """

    grpc_code = "UNKNOWN"
