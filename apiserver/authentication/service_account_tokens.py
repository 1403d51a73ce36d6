"""ServiceAccount tokens: minted for TokenRequest, verified for every request that carries one.

A verified signature is remembered by the token's text until the token expires; what the token is bound to (account,
pod, node, secret) is looked up each time, so that deleting any of them ends the token at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from apimachinery.objects.metadata import Obj, new_uid
from apimachinery.objects.times import parse_time
from apiserver.authentication.token_keys import VerificationKey, load_signing_key, load_verification_keys
from apiserver.authentication.user import UserInfo, service_account_groups, service_account_name

LEGACY_ISSUER: Final = "kubernetes/serviceaccount"
WARN_ONLY_SECONDS: Final = 3607  # the expiry projected volumes ask for; such tokens live a year and warn
EXTENDED_SECONDS: Final = 365 * 24 * 3600
_DELETION_LEEWAY: Final = 60
_REMEMBERED: Final = 8192
_EXTRA = "authentication.kubernetes.io/"


class InvalidTokenError(Exception):
    """The token is ours in form, but not good."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token is minted for."""

    namespace: str
    name: str
    uid: str
    pod: Obj | None = None
    secret: Obj | None = None
    node: Obj | None = None


def _reference(obj: Obj) -> dict[str, str]:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"].get("uid", "")}


class TokenIssuer:
    """Signs tokens with the server's private key."""

    def __init__(self, issuer: str, key_path: str, *, now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._path = key_path
        self._now = now
        self._key: tuple[Any, VerificationKey] | None = None

    def _signing_key(self) -> tuple[Any, VerificationKey]:
        if self._key is None:
            from apiserver.authentication.token_keys import verification_key

            private = load_signing_key(self._path)
            self._key = (private, verification_key(private.public_key()))
        return self._key

    def mint(self, binding: Binding, audiences: list[str], seconds: int, *, warn_after: int = 0) -> str:
        """Return a signed token valid for `seconds`."""
        import jwt

        private, public = self._signing_key()
        now = int(self._now())
        ours: dict[str, Any] = {
            "namespace": binding.namespace,
            "serviceaccount": {"name": binding.name, "uid": binding.uid},
        }
        for kind in ("pod", "secret", "node"):
            target = getattr(binding, kind)
            if target is not None:
                ours[kind] = _reference(target)
        if warn_after:
            ours["warnafter"] = now + warn_after
        claims = {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "iss": self._issuer,
            "jti": new_uid(),
            "kubernetes.io": ours,
            "nbf": now,
            "sub": service_account_name(binding.namespace, binding.name),
        }
        return jwt.encode(claims, private, algorithm=public.algorithm, headers={"kid": public.kid, "typ": None})


@dataclass(frozen=True, slots=True)
class _Verified:
    claims: dict[str, Any]
    expires: float


class ServiceAccountTokens:
    """Tells who a ServiceAccount token is for."""

    def __init__(
        self,
        issuers: tuple[str, ...],
        key_paths: tuple[str, ...],
        audiences: tuple[str, ...],
        listers: Callable[[str], Any],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = frozenset(issuers)
        self._paths = key_paths
        self._audiences = audiences or issuers
        self._accounts = listers("serviceaccounts")
        self._pods = listers("pods")
        self._secrets = listers("secrets")
        self._nodes = listers("nodes")
        self._now = now
        self._keys: list[VerificationKey] | None = None
        self._verified: dict[str, _Verified] = {}

    @property
    def keys(self) -> list[VerificationKey]:
        """The verification keys, loaded once."""
        if self._keys is None:
            self._keys = load_verification_keys(self._paths)
        return self._keys

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences a token for this server has."""
        return self._audiences

    def authenticate(self, token: str, audiences: Iterable[str] = ()) -> tuple[UserInfo, tuple[str, ...]] | None:
        """Return (user, matching audiences); None when the token is not of our kind.

        Raises:
            InvalidTokenError: it is ours, but expired, revoked or badly signed.
        """
        known = self._verified.get(token)
        if known is None:
            claims = self._verify(token)
            if claims is None:
                return None
            known = self._remember(token, claims)
        now = self._now()
        claims = known.claims
        if known.expires <= now:
            self._verified.pop(token, None)
            raise InvalidTokenError("service account token has expired")
        wanted = tuple(audiences) or self._audiences
        matching = self._match_audiences(claims, wanted)
        return self._user(claims, now), matching

    def _remember(self, token: str, claims: dict[str, Any]) -> _Verified:
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        known = _Verified(claims, float(claims.get("exp") or "inf"))
        self._verified[token] = known
        return known

    def _verify(self, token: str) -> dict[str, Any] | None:
        import jwt

        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return None
        issuer = unverified.get("iss")
        if not isinstance(issuer, str) or (issuer not in self._issuers and issuer != LEGACY_ISSUER):
            return None
        kid = header.get("kid")
        keys = [key for key in self.keys if key.kid == kid] or self.keys
        checks: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_iss": False}
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(token, key.key, algorithms=[key.algorithm], options=checks)
            except jwt.ImmatureSignatureError as error:
                raise InvalidTokenError("service account token is not valid yet") from error
            except jwt.PyJWTError:
                continue
            return claims
        raise InvalidTokenError("failed to verify token signature")

    def _match_audiences(self, claims: dict[str, Any], wanted: tuple[str, ...]) -> tuple[str, ...]:
        have = claims.get("aud")
        token_audiences = (have,) if isinstance(have, str) else tuple(have or ())
        if not token_audiences:
            # Legacy tokens carry none and are good for this server's own audiences.
            token_audiences = self._audiences
        matching = tuple(audience for audience in wanted if audience in token_audiences)
        if not matching:
            listed = " ".join(f'"{audience}"' for audience in token_audiences)
            raise InvalidTokenError(f"token audiences [{listed}] is invalid for the target audiences {_go(wanted)}")
        return matching

    def _user(self, claims: dict[str, Any], now: float) -> UserInfo:
        if claims.get("iss") == LEGACY_ISSUER and "kubernetes.io" not in claims:
            return self._legacy_user(claims)
        ours = claims.get("kubernetes.io") or {}
        namespace = ours.get("namespace", "")
        account = ours.get("serviceaccount") or {}
        name, uid = account.get("name", ""), account.get("uid", "")
        if claims.get("sub") != service_account_name(namespace, name):
            raise InvalidTokenError("sub claim does not match the service account of the token")
        extra: dict[str, tuple[str, ...]] = {}
        if claims.get("jti"):
            extra[_EXTRA + "credential-id"] = ("JTI=" + claims["jti"],)
        self._check_account(namespace, name, uid, now)
        for kind, lister, scope in (
            ("secret", self._secrets, namespace),
            ("pod", self._pods, namespace),
            ("node", self._nodes, None),
        ):
            bound = ours.get(kind)
            if not bound:
                continue
            # A node named beside a pod is information, not a binding.
            if not (kind == "node" and ours.get("pod")):
                self._check_bound(kind, lister.get(scope, bound["name"]), bound, now)
            if kind != "secret":
                extra[f"{_EXTRA}{kind}-name"] = (bound["name"],)
                if bound.get("uid"):
                    extra[f"{_EXTRA}{kind}-uid"] = (bound["uid"],)
        return UserInfo(service_account_name(namespace, name), uid, service_account_groups(namespace), extra)

    def _check_account(self, namespace: str, name: str, uid: str, now: float) -> None:
        account = self._accounts.get(namespace, name)
        if account is None or _gone(account, now):
            raise InvalidTokenError(f"service account {namespace}/{name} has been deleted")
        live = account["metadata"].get("uid")
        if uid and live != uid:
            raise InvalidTokenError(f"service account UID ({live}) does not match claim ({uid})")

    def _check_bound(self, kind: str, live: Obj | None, bound: dict[str, str], now: float) -> None:
        if live is None:
            raise InvalidTokenError(f"service account token has been invalidated: {kind} {bound['name']} is gone")
        if bound.get("uid") and live["metadata"].get("uid") != bound["uid"]:
            uid = live["metadata"].get("uid")
            raise InvalidTokenError(f"{kind} UID ({uid}) does not match service account {kind} ref claim")
        if _gone(live, now):
            raise InvalidTokenError("service account token has been invalidated")

    def _legacy_user(self, claims: dict[str, Any]) -> UserInfo:
        prefix = "kubernetes.io/serviceaccount/"
        namespace = claims.get(prefix + "namespace", "")
        name = claims.get(prefix + "service-account.name", "")
        uid = claims.get(prefix + "service-account.uid", "")
        secret = self._secrets.get(namespace, claims.get(prefix + "secret.name", ""))
        if secret is None or _gone(secret, self._now()):
            raise InvalidTokenError("service account token has been invalidated")
        self._check_account(namespace, name, uid, self._now())
        return UserInfo(service_account_name(namespace, name), uid, service_account_groups(namespace))


def _gone(obj: Obj, now: float) -> bool:
    stamp = obj["metadata"].get("deletionTimestamp")
    if not stamp:
        return False
    when = parse_time(stamp)
    return bool(when.timestamp() + _DELETION_LEEWAY < now)


def _go(values: Iterable[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
