"""An OpenID issuer: an HTTPS server with discovery and keys, and the tokens it signs."""

from __future__ import annotations

import base64
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.authentication.token_keys import json_web_key, verification_key
from tests.apiserver.extension_server import ExtensionServer


class Issuer:
    """Serves until closed."""

    def __init__(self, directory):
        self._key = ec.generate_private_key(ec.SECP256R1())
        directory.mkdir(exist_ok=True)
        self.server = ExtensionServer(directory, "issuer", self._answer)
        self.url = f"https://{self.server.address}:{self.server.port}"
        self.authority = base64.b64decode(self.server.bundle).decode()

    def _answer(self, method, path, body, headers):
        if path == "/keys":
            return 200, {"keys": [json_web_key(verification_key(self._key.public_key()))]}
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return 404, {}

    def change_key(self):
        self._key = ec.generate_private_key(ec.SECP256R1())

    def token(self, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "cluster", "sub": "jane", "iat": now, "exp": now + 60, **claims}
        claims = {key: value for key, value in claims.items() if value is not None}
        kid = verification_key(self._key.public_key()).kid
        return jwt.encode(claims, self._key, "ES256", headers={"kid": kid})

    def close(self):
        self.server.close()
