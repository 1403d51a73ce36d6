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
from typing import Self

from cri import errors
from protocols.cri import api_pb2


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What one registry wants to know."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    @classmethod
    def from_request(cls, auth: api_pb2.AuthConfig) -> Self | None:
        """The kubelet's form; ``auth`` is base64 of ``user:password``.

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
        if not (username or auth.identity_token or auth.registry_token):
            return None
        return cls(username, password, auth.identity_token, auth.registry_token)


@contextlib.contextmanager
def auth_file(registry: str, credentials: Credentials, directory: pathlib.Path) -> Iterator[str]:
    """A file in the form of Docker's ``config.json`` with one registry's credentials."""
    pair = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    entry = {"auth": pair} if credentials.username else {}
    if credentials.identity_token:
        entry = {"auth": pair, "identitytoken": credentials.identity_token}
    descriptor, path = tempfile.mkstemp(prefix="auth-", dir=directory)
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"auths": {registry: entry}}, stream)
        yield path
    finally:
        pathlib.Path(path).unlink(missing_ok=True)
