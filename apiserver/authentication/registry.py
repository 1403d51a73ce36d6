"""All authenticators as one.

Order as upstream: front-proxy headers, client certificate, bearer token (static file, bootstrap, ServiceAccount, OpenID
issuers), then anonymous. A bearer token that nobody accepts is an error even where anonymous requests are allowed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apimachinery.errors import Unauthorized
from apiserver.authentication import static_tokens
from apiserver.authentication.authentication_configuration import configure
from apiserver.authentication.bootstrap_tokens import BootstrapTokens
from apiserver.authentication.certificates import Certificates
from apiserver.authentication.json_web_tokens import JSONWebTokens, RejectedTokenError
from apiserver.authentication.request_headers import RequestHeaders, values
from apiserver.authentication.service_account_tokens import InvalidTokenError, ServiceAccountTokens
from apiserver.authentication.user import ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS_USER, UserInfo

_WEBSOCKET_PREFIX: Final = "base64url.bearer.authorization.k8s.io."


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """What a request shows: the peer certificate (DER) and its headers."""

    peer_cert: bytes | None
    headers: Mapping[str, str]
    path: str = ""


def _tuple(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _authenticated(user: UserInfo) -> UserInfo:
    if ALL_UNAUTHENTICATED in user.groups:
        return user
    return user.with_group(ALL_AUTHENTICATED)


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the token of the Authorization header or of the WebSocket sub-protocol, else ""."""
    authorization = headers.get("Authorization", "").strip()
    if authorization:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    for header in values(headers, "Sec-WebSocket-Protocol"):
        for protocol in header.split(","):
            if protocol.strip().startswith(_WEBSOCKET_PREFIX):
                encoded = protocol.strip()[len(_WEBSOCKET_PREFIX) :]
                try:
                    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
                except ValueError:  # neither base64 nor text
                    return ""
    return ""


class Authenticator:
    """Tells who makes a request."""

    def __init__(self, options: Any, listers: Callable[[str], Any]) -> None:
        def option(name: str, default: Any = "") -> Any:
            value = getattr(options, name, default)
            return default if value is None else value

        configuration = configure(options)
        self._anonymous = configuration.anonymous
        self._web_tokens = JSONWebTokens(configuration.issuers)
        proxy_ca = option("requestheader_client_ca_file")
        self._certificates = Certificates(option("client_ca_file"), proxy_ca)
        self._proxy = RequestHeaders(
            _tuple(option("requestheader_allowed_names", ())),
            user=_tuple(option("requestheader_username_headers", ())) or ("X-Remote-User",),
            uid=_tuple(option("requestheader_uid_headers", ())) or ("X-Remote-Uid",),
            group=_tuple(option("requestheader_group_headers", ())) or ("X-Remote-Group",),
            extra=_tuple(option("requestheader_extra_headers_prefix", ())) or ("X-Remote-Extra-",),
        )
        token_file = option("token_auth_file")
        self._static = static_tokens.load(token_file) if token_file else {}
        issuers = _tuple(option("service_account_issuer"))
        keys = _tuple(option("service_account_key_file")) or _tuple(option("service_account_signing_key_file"))
        audiences = _tuple(option("api_audiences", ())) or issuers
        self.audiences = audiences
        self.service_accounts = ServiceAccountTokens(issuers, keys, audiences, listers)
        self._bootstrap = BootstrapTokens(listers) if option("enable_bootstrap_token_auth", default=False) else None

    async def authenticate(self, credentials: RequestCredentials) -> UserInfo | None:
        """Return who makes the request.

        Raises:
            Unauthorized: no credentials where they are needed, or bad ones.
        """
        certificate = self._certificates.read(credentials.peer_cert) if credentials.peer_cert else None
        if certificate is not None:
            if certificate.front_proxy:
                user = self._proxy.authenticate(certificate.common_name, credentials.headers)
                if user is not None:
                    return _authenticated(user)
            if certificate.user is not None:
                return _authenticated(certificate.user)
        token = bearer_token(credentials.headers)
        if token:
            try:
                return (await self.review(token))[0]
            except InvalidTokenError as error:
                raise Unauthorized("Unauthorized") from error
        if self._anonymous.allows(credentials.path):
            return ANONYMOUS_USER
        raise Unauthorized("Unauthorized")

    async def review(self, token: str, audiences: Iterable[str] = ()) -> tuple[UserInfo, tuple[str, ...]]:
        """Return (user, audiences) of a bearer token (also for TokenReview).

        Raises:
            InvalidTokenError: nobody accepts the token.
        """
        wanted = tuple(audiences)
        if not token.isascii():
            raise InvalidTokenError("invalid bearer token")
        plain = self._static.get(token)
        if plain is None and self._bootstrap is not None:
            plain = self._bootstrap.authenticate(token)
        if plain is None:
            try:
                found = self.service_accounts.authenticate(token, wanted)
                if found is not None:
                    return _authenticated(found[0]), found[1]
                plain = await self._web_tokens.authenticate(token)
            except (InvalidTokenError, RejectedTokenError) as error:
                raise InvalidTokenError(f"[invalid bearer token, {error}]") from error
        if plain is None:
            raise InvalidTokenError("invalid bearer token")
        # These tokens are for this server; they hold for its own audiences only.
        matching = tuple(a for a in wanted or self.audiences if a in self.audiences)
        if wanted and not matching:
            raise InvalidTokenError("invalid bearer token")
        return _authenticated(plain), matching
