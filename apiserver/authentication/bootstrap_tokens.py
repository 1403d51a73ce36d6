"""Bootstrap tokens: `id.secret`, kept as Secrets of type bootstrap.kubernetes.io/token in kube-system."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from collections.abc import Callable
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import parse_time
from apiserver.authentication.user import UserInfo

_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def _field(secret: Obj, name: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(name, "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _expired(stamp: str, now: float) -> bool:
    if not stamp:
        return False
    try:
        return parse_time(stamp).timestamp() <= now
    except ValueError:
        return True


class BootstrapTokens:
    """Tells which bootstrapping node a token is for."""

    def __init__(self, listers: Callable[[str], Any], *, now: Callable[[], float] = time.time) -> None:
        self._secrets = listers("secrets")
        self._now = now

    def authenticate(self, token: str) -> UserInfo | None:
        """Return the user of a valid token, else None."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        token_id, token_secret = match.groups()
        secret = self._secrets.get("kube-system", "bootstrap-token-" + token_id)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            return None
        if secret.get("type") != "bootstrap.kubernetes.io/token" or _field(secret, "token-id") != token_id:
            return None
        if not hmac.compare_digest(_field(secret, "token-secret"), token_secret):
            return None
        if _field(secret, "usage-bootstrap-authentication") != "true":
            return None
        if _expired(_field(secret, "expiration"), self._now()):
            return None
        extra = [group for group in _field(secret, "auth-extra-groups").split(",") if group]
        if not all(_GROUP.fullmatch(group) for group in extra):
            return None
        return UserInfo("system:bootstrap:" + token_id, "", tuple(sorted({"system:bootstrappers", *extra})))
