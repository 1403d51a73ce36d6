"""Registry credentials: from the kubelet's request to an auth file that skopeo reads.

They never appear on a command line, where every process of the node could read them; the file is 0600 and lives as long
as the pull.
"""

import base64
import binascii
import contextlib
import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any, Self

from cri import errors
from protocols.cri import api_pb2


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What one registry wants to know."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    @classmethod
    def from_request(cls, auth: api_pb2.AuthConfig) -> Self | None:
        """The kubelet's form; ``auth`` is base64 of ``user:password``.

        A registry token is passed over, as CRI-O does: no auth file can carry one.

        Raises:
            InvalidArgument: ``auth`` is not that.
        """
        username, password = auth.username, auth.password
        if auth.auth and not username:
            try:
                username, _, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise errors.InvalidArgument("the registry credentials are not base64 of user:password") from error
            password = password.rstrip("\0")
        if not (username or auth.identity_token):
            return None
        return cls(username, password, auth.identity_token)


@contextlib.contextmanager
def auth_file(registry: str, credentials: Credentials, directory: pathlib.Path, base: str = "") -> Iterator[str]:
    """A file in the form of Docker's ``config.json`` with one registry's credentials.

    Args:
        registry: Whom the credentials are for.
        credentials: What it wants to know.
        directory: Where the file is put.
        base: The node's own auth file: what it has for other registries (a mirror, say) stays in force.
    """
    pair = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    entry = {"auth": pair} if credentials.username else {}
    if credentials.identity_token:
        entry = {"auth": pair, "identitytoken": credentials.identity_token}
    document = _document(base)
    for table in ("auths", "credHelpers"):
        # The reader takes the most specific entry, so none for a part of the registry may stay.
        known = document.get(table) or {}
        document[table] = {key: value for key, value in known.items() if key.split("/")[0] != registry}
    document["auths"][registry] = entry
    descriptor, path = tempfile.mkstemp(prefix="auth-", dir=directory)
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump(document, stream)
        yield path
    finally:
        pathlib.Path(path).unlink(missing_ok=True)


def _document(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        found = json.loads(pathlib.Path(path).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise errors.FailedPrecondition(f"global_auth_file {path}: {error}") from error
    if not isinstance(found, dict):
        raise errors.FailedPrecondition(f"global_auth_file {path} is not a JSON object")
    return found
