"""Who may be anonymous, and which issuers of JSON web tokens are believed: AuthenticationConfiguration or flags.

`--authentication-config` names a file of apiserver.config.k8s.io (v1, v1beta1); `--anonymous-auth` and `--oidc-*` say
the same in less. Everything is checked when the server starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from apimachinery.objects.metadata import Obj
from apiserver.admission.cel import CompileError, Expression, compile_expression

_API_VERSIONS: Final = ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1")
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")


class AuthenticationConfigurationError(ValueError):
    """The file or the flags make no sense."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Who may ask without credentials: nobody, everybody, or everybody on some paths."""

    enabled: bool = True
    paths: frozenset[str] = frozenset()

    def allows(self, path: str) -> bool:
        """Tell whether an anonymous request to a path is heard."""
        return self.enabled and (not self.paths or path in self.paths)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A value of the user made from claims: one claim with a prefix, or an expression."""

    claim: str = ""
    prefix: str = ""
    expression: Expression | None = None

    def __bool__(self) -> bool:
        """Whether anything is mapped."""
        return bool(self.claim) or self.expression is not None


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """What must hold for the claims."""

    claim: str = ""
    value: str = ""
    expression: Expression | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens, and how its claims become a user."""

    url: str
    audiences: tuple[str, ...]
    username: Mapping
    discovery_url: str = ""
    certificate_authority: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS
    groups: Mapping = Mapping()
    uid: Mapping = Mapping()
    extra: tuple[tuple[str, Expression], ...] = ()
    claim_rules: tuple[ClaimRule, ...] = ()
    user_rules: tuple[tuple[Expression, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AuthenticationConfiguration:
    """All of it."""

    anonymous: Anonymous = Anonymous()
    issuers: tuple[Issuer, ...] = field(default=())


def configure(options: Any) -> AuthenticationConfiguration:
    """Return what the file or the flags say.

    Raises:
        AuthenticationConfigurationError: with the place and what is wrong there.
    """

    def option(name: str, default: Any) -> Any:
        value = getattr(options, name, default)
        return default if value is None else value

    path, oidc = option("authentication_config", ""), option("oidc_issuer_url", "")
    anonymous = bool(option("anonymous_auth", default=True))
    if not path:
        issuers = (_flag_issuer(option, oidc),) if oidc else ()
        return AuthenticationConfiguration(Anonymous(anonymous), issuers)
    if oidc:
        raise AuthenticationConfigurationError("authentication-config file and oidc-* flags are mutually exclusive")
    found = read(path)
    if not anonymous:
        return AuthenticationConfiguration(Anonymous(enabled=False), found.issuers)
    return found


def _flag_issuer(option: Any, url: str) -> Issuer:
    if not option("oidc_client_id", ""):
        raise AuthenticationConfigurationError("oidc-issuer-url and oidc-client-id must be specified together")
    claim, prefix = option("oidc_username_claim", "sub"), option("oidc_username_prefix", "")
    if prefix == "-":
        prefix = ""
    elif not prefix and claim != "email":
        prefix = f"{url}#"
    groups = option("oidc_groups_claim", "")
    rules = []
    for row in option("oidc_required_claim", ()):
        name, equals, value = row.partition("=")
        if not equals:
            raise AuthenticationConfigurationError(f"oidc-required-claim: {row!r} is not of the form key=value")
        rules.append(ClaimRule(name, value))
    algorithms = tuple(option("oidc_signing_algs", ())) or ("RS256",)
    unknown = sorted(set(algorithms) - set(ALGORITHMS))
    if unknown:
        raise AuthenticationConfigurationError(f"oidc-signing-algs: unsupported signing algorithm {unknown[0]!r}")
    return Issuer(
        url,
        (option("oidc_client_id", ""),),
        Mapping(claim, prefix),
        certificate_authority=_file(option("oidc_ca_file", "")),
        algorithms=algorithms,
        groups=Mapping(groups, option("oidc_groups_prefix", "") if groups else ""),
        claim_rules=tuple(rules),
    )


def _file(path: str) -> str:
    try:
        return Path(path).read_text() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise AuthenticationConfigurationError(f"oidc-ca-file {path}: {error}") from error


def read(path: str) -> AuthenticationConfiguration:
    """Read the file; AuthenticationConfigurationError."""
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AuthenticationConfigurationError(f"authentication configuration {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "AuthenticationConfiguration":
        raise AuthenticationConfigurationError(f"{path}: kind must be AuthenticationConfiguration")
    if document.get("apiVersion") not in _API_VERSIONS:
        raise AuthenticationConfigurationError(f"{path}: apiVersion must be {_API_VERSIONS[0]}")
    try:
        anonymous = _anonymous(document.get("anonymous"))
        issuers = tuple(_issuer(row, f"jwt[{index}]") for index, row in enumerate(document.get("jwt") or ()))
    except (AttributeError, TypeError, KeyError) as error:
        raise AuthenticationConfigurationError(f"{path}: a value has the wrong type ({error})") from error
    urls = [issuer.url for issuer in issuers]
    for index, url in enumerate(urls):
        if url in urls[:index]:
            raise AuthenticationConfigurationError(f'jwt[{index}].issuer.url: Duplicate value: "{url}"')
    return AuthenticationConfiguration(anonymous, issuers)


def _anonymous(raw: Obj | None) -> Anonymous:
    if raw is None:
        return Anonymous()
    enabled, conditions = bool(raw.get("enabled")), raw.get("conditions") or []
    if conditions and not enabled:
        raise AuthenticationConfigurationError(
            "anonymous.conditions: Invalid value: enabled should be set to true when conditions are defined"
        )
    return Anonymous(enabled, frozenset(str(condition["path"]) for condition in conditions))


def _expression(source: str, variable: str, path: str) -> Expression:
    try:
        return compile_expression(source, (variable,))
    except CompileError as error:
        raise AuthenticationConfigurationError(f"{path}: Invalid value: compilation failed: {error}") from error


def _mapping(raw: Obj | None, path: str, *, prefixed: bool = True) -> Mapping:
    raw = raw or {}
    claim, source = raw.get("claim") or "", raw.get("expression") or ""
    if claim and source:
        raise AuthenticationConfigurationError(f"{path}: Invalid value: claim and expression can't both be set")
    if claim and prefixed and raw.get("prefix") is None:
        raise AuthenticationConfigurationError(
            f"{path}.prefix: Required value: prefix is required when claim is set. It can be set to an empty string "
            "to disable prefixing"
        )
    if source and raw.get("prefix") is not None:
        raise AuthenticationConfigurationError(f"{path}: Invalid value: prefix can't be set when expression is set")
    expression = _expression(source, "claims", f"{path}.expression") if source else None
    return Mapping(claim, raw.get("prefix") or "", expression)


def _https(url: str, path: str) -> str:
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise AuthenticationConfigurationError(f'{path}: Invalid value: "{url}": URL scheme must be https')
    return url


def _issuer(raw: Obj, path: str) -> Issuer:
    issuer, mappings = raw["issuer"], raw.get("claimMappings") or {}
    audiences = tuple(issuer.get("audiences") or ())
    if not audiences:
        raise AuthenticationConfigurationError(f"{path}.issuer.audiences: Required value: at least one is required")
    if len(audiences) > 1 and issuer.get("audienceMatchPolicy") != "MatchAny":
        raise AuthenticationConfigurationError(
            f"{path}.issuer.audienceMatchPolicy: Invalid value: must be MatchAny for multiple audiences"
        )
    username = _mapping(mappings.get("username"), f"{path}.claimMappings.username")
    if not username:
        raise AuthenticationConfigurationError(
            f"{path}.claimMappings.username: Required value: claim or expression is required"
        )
    where = f"{path}.claimMappings.extra"
    return Issuer(
        _https(issuer.get("url") or "", f"{path}.issuer.url"),
        audiences,
        username,
        _https(issuer["discoveryURL"], f"{path}.issuer.discoveryURL") if issuer.get("discoveryURL") else "",
        issuer.get("certificateAuthority") or "",
        groups=_mapping(mappings.get("groups"), f"{path}.claimMappings.groups"),
        uid=_mapping(mappings.get("uid"), f"{path}.claimMappings.uid", prefixed=False),
        extra=tuple(
            (str(row["key"]), _expression(row["valueExpression"], "claims", f"{where}[{index}].valueExpression"))
            for index, row in enumerate(mappings.get("extra") or ())
        ),
        claim_rules=tuple(_claim_rules(raw.get("claimValidationRules") or (), path)),
        user_rules=tuple(
            (_expression(row["expression"], "user", f"{path}.userValidationRules[{index}]"), row.get("message") or "")
            for index, row in enumerate(raw.get("userValidationRules") or ())
        ),
    )


def _claim_rules(rows: Iterable[Obj], path: str) -> Iterable[ClaimRule]:
    for index, row in enumerate(rows):
        where = f"{path}.claimValidationRules[{index}]"
        source = row.get("expression") or ""
        if bool(row.get("claim")) is bool(source):
            raise AuthenticationConfigurationError(f"{where}: Required value: claim or expression is required")
        expression = _expression(source, "claims", f"{where}.expression") if source else None
        yield ClaimRule(row.get("claim") or "", row.get("requiredValue") or "", expression, row.get("message") or "")
