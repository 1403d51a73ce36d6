"""OpenID discovery documents of the ServiceAccount token issuer."""

from __future__ import annotations

import json
from typing import Any

from apiserver.authentication.token_keys import json_web_key, load_verification_keys

CONFIGURATION_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/openid/v1/jwks"


def openid_documents(options: Any) -> dict[str, tuple[str, bytes]]:
    """Return path -> (content type, body). Empty when no issuer is configured."""
    issuer: Any = getattr(options, "service_account_issuer", "") or ""
    issuer = issuer if isinstance(issuer, str) else (issuer[0] if issuer else "")
    paths = getattr(options, "service_account_key_file", ()) or getattr(options, "service_account_signing_key_file", "")
    if not issuer or not paths:
        return {}
    keys = load_verification_keys((paths,) if isinstance(paths, str) else tuple(paths))
    configuration = {
        "issuer": issuer,
        "jwks_uri": getattr(options, "service_account_jwks_uri", "") or _keys_uri(options, issuer),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys}),
    }
    key_set = {"keys": [json_web_key(key) for key in keys]}
    return {
        CONFIGURATION_PATH: ("application/json", json.dumps(configuration, separators=(",", ":")).encode()),
        KEYS_PATH: ("application/jwk-set+json", json.dumps(key_set, separators=(",", ":")).encode()),
    }


def _keys_uri(options: Any, issuer: str) -> str:
    address = getattr(options, "advertise_address", "")
    port = getattr(options, "secure_port", 0)
    if address and port:
        return f"https://{address}:{port}{KEYS_PATH}"
    return issuer.rstrip("/") + KEYS_PATH
