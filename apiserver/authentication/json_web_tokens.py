"""Tokens of OpenID Connect issuers: verified with the issuer's published keys, its claims made into a user.

Keys are fetched when the first token of an issuer comes, and again when a token names a key that is not known; an
issuer that is away is asked again after some seconds, and nobody waits for it meanwhile.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from apiserver.admission.cel import EvaluationError, Expression
from apiserver.authentication.authentication_configuration import Issuer, Mapping
from apiserver.authentication.user import UserInfo
from component.logging import get_logger

if TYPE_CHECKING:
    import jwt

_LOG = get_logger(__name__)
_PAUSE: Final = 10.0
_TIMEOUT: Final = 10.0
_MOST_BYTES: Final = 1024 * 1024
_CREDENTIAL: Final = "authentication.kubernetes.io/credential-id"


class RejectedTokenError(Exception):
    """A token of one of the issuers, but not a good one."""


class IssuerUnavailableError(Exception):
    """The issuer's keys can't be had."""


class IssuerKeys:
    """The published keys of one issuer."""

    def __init__(self, issuer: Issuer, *, now: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._now = now
        self._keys: list[jwt.PyJWK] = []
        self._fetched = -_PAUSE
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> list[jwt.PyJWK]:
        """Return the keys a token may be signed with: the one it names, or all."""
        found = self._matching(kid)
        if not found:
            async with self._lock:
                found = self._matching(kid)
                if not found and self._now() - self._fetched >= _PAUSE:
                    self._fetched = self._now()
                    self._keys = await self._fetch()
                    found = self._matching(kid)
        return found

    def _matching(self, kid: str | None) -> list[jwt.PyJWK]:
        return [key for key in self._keys if kid is None or key.key_id == kid]

    async def _fetch(self) -> list[jwt.PyJWK]:
        import aiohttp
        import jwt

        issuer = self._issuer
        context = ssl.create_default_context(cadata=issuer.certificate_authority or None)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        where = issuer.discovery_url or issuer.url.rstrip("/") + "/.well-known/openid-configuration"
        try:
            connector = aiohttp.TCPConnector(ssl=context)
            async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
                document = await _json(session, where)
                if document.get("issuer") != issuer.url:
                    raise IssuerUnavailableError(f"issuer did not match the issuer returned by {where}")
                keys = await _json(session, str(document.get("jwks_uri") or ""))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise IssuerUnavailableError(f"{where}: {str(error) or type(error).__name__}") from error
        found = []
        for raw in keys.get("keys") or ():
            try:
                found.append(jwt.PyJWK(raw))
            except (jwt.PyJWTError, TypeError, AttributeError) as error:
                _LOG.warning("a key of an issuer can't be used", issuer=issuer.url, error=str(error))
        return found


async def _json(session: Any, url: str) -> dict[str, Any]:
    import orjson

    async with session.get(url) as answer:
        body = await answer.content.read(_MOST_BYTES)
    document = orjson.loads(body) if answer.status == 200 else None
    if isinstance(document, dict):
        return document
    raise IssuerUnavailableError(f"{url} answers {answer.status} and no object")


class JSONWebTokens:
    """Tells whom a token stands for."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._issuers = {issuer.url: (issuer, IssuerKeys(issuer)) for issuer in issuers}

    async def authenticate(self, token: str) -> UserInfo | None:
        """Return the user, None when the token is of no issuer of ours.

        Raises:
            RejectedTokenError: expired, badly signed, for others, or refused by a rule.
        """
        import jwt

        if not self._issuers or token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None
        known = self._issuers.get(str(unverified.get("iss")))
        if known is None:
            return None
        issuer, keys = known
        try:
            candidates = await keys.find(header.get("kid"))
        except IssuerUnavailableError as error:
            _LOG.warning("the keys of an issuer can't be had", issuer=issuer.url, error=str(error))
            raise RejectedTokenError("oidc: authenticator not initialized") from error
        return user_of(issuer, _verified(issuer, token, str(header.get("alg")), candidates))


def _verified(issuer: Issuer, token: str, algorithm: str, keys: list[jwt.PyJWK]) -> dict[str, Any]:
    import jwt

    if algorithm not in issuer.algorithms:
        raise RejectedTokenError(f"oidc: verify token: oidc: id token signed with unsupported algorithm {algorithm}")
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=list(issuer.audiences),
                issuer=issuer.url,
                options={"require": ["exp", "iss", "aud"], "verify_iat": False},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError):
            continue
        except jwt.PyJWTError as error:
            raise RejectedTokenError(f"oidc: verify token: {error}") from error
        return claims
    raise RejectedTokenError("oidc: verify token: failed to verify signature: no key of the issuer fits")


def _evaluate(expression: Expression, name: str, value: Any) -> Any:
    try:
        return expression.evaluate({name: value})
    except EvaluationError as error:
        raise RejectedTokenError(f"oidc: error evaluating expression '{expression.source}': {error}") from error


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise RejectedTokenError(f"oidc: {what} must be a string or a list of strings")
    return tuple(values)


def _one(mapping: Mapping, claims: dict[str, Any], what: str) -> str:
    if mapping.expression is not None:
        value = _evaluate(mapping.expression, "claims", claims)
    else:
        value = claims.get(mapping.claim)
    if not isinstance(value, str) or not value:
        raise RejectedTokenError(f'oidc: parse {what} claims "{mapping.claim}": claim not present')
    return mapping.prefix + value


def user_of(issuer: Issuer, claims: dict[str, Any]) -> UserInfo:
    """Apply the rules and mappings of an issuer.

    Raises:
        RejectedTokenError: a rule refuses, or a claim is missing.
    """
    for rule in issuer.claim_rules:
        if rule.expression is not None:
            if _evaluate(rule.expression, "claims", claims) is not True:
                raise RejectedTokenError(
                    f"oidc: validation expression '{rule.expression.source}' failed: {rule.message}"
                )
        elif rule.claim not in claims:
            raise RejectedTokenError(f"oidc: required claim {rule.claim} not present in ID token")
        elif claims[rule.claim] != rule.value:
            raise RejectedTokenError(
                f"oidc: required claim {rule.claim} value does not match. Got = {claims[rule.claim]}, "
                f"want = {rule.value}"
            )
    if issuer.username.claim == "email" and claims.get("email_verified", True) is not True:
        raise RejectedTokenError("oidc: email not verified")
    name = _one(issuer.username, claims, "username")
    groups: tuple[str, ...] = ()
    if issuer.groups.expression is not None:
        groups = _texts(_evaluate(issuer.groups.expression, "claims", claims), "groups")
    elif issuer.groups.claim:
        groups = _texts(claims.get(issuer.groups.claim), "groups")
    uid = _one(issuer.uid, claims, "uid") if issuer.uid else ""
    extra = {key: _texts(_evaluate(expression, "claims", claims), "extra") for key, expression in issuer.extra}
    extra = {key: values for key, values in extra.items() if values}
    if isinstance(claims.get("jti"), str) and claims["jti"]:
        extra[_CREDENTIAL] = (f"JTI={claims['jti']}",)
    user = UserInfo(name, uid, tuple(issuer.groups.prefix + group for group in groups), extra)
    for expression, message in issuer.user_rules:
        if _evaluate(expression, "user", user.to_dict()) is not True:
            raise RejectedTokenError(f"oidc: user validation expression '{expression.source}' failed: {message}")
    return user
