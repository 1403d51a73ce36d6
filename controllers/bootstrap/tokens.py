"""Bootstrap tokens as Secrets in kube-system: what they are for and until when they hold (pure)."""

import base64
import binascii
import datetime
from dataclasses import dataclass

from apimachinery.objects.metadata import Obj, name, namespace
from apimachinery.objects.times import parse_time

NAMESPACE = "kube-system"
_TYPE = "bootstrap.kubernetes.io/token"
_PREFIX = "bootstrap-token-"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        identity: The part that may be shown.
        secret: The other.
        signs: Whether it signs the cluster-info.
        until: When it ends; None for never.
    """

    identity: str
    secret: str
    signs: bool
    until: datetime.datetime | None

    def ended(self, now: datetime.datetime) -> bool:
        """Whether it holds no more."""
        return self.until is not None and self.until <= now


def is_token(secret: Obj) -> bool:
    """Whether a Secret is meant to be a bootstrap token."""
    return namespace(secret) == NAMESPACE and secret.get("type") == _TYPE


def read(secret: Obj) -> Token | None:
    """The token in a Secret; None where it is none that could be used.

    Args:
        secret: A Secret.
    """
    identity, private = _field(secret, "token-id"), _field(secret, "token-secret")
    if not is_token(secret) or not private or name(secret) != f"{_PREFIX}{identity}":
        return None
    expiration = _field(secret, "expiration")
    try:
        until = parse_time(expiration) if expiration else None
    except ValueError:
        # What nobody can read has ended, as upstream takes it.
        until = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return Token(identity, private, _field(secret, "usage-bootstrap-signing") == "true", until)


def _field(secret: Obj, key: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
