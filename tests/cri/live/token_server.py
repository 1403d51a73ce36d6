"""A token server as registries expect it: signs who may do what (the Docker registry token protocol)."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import threading
import time
import urllib.parse
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID


def certificate(directory: Path, name: str) -> tuple[Path, Path, ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A self-signed certificate for the loopback address, as files and as objects."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / f"{name}.crt", directory / f"{name}.key"
    public.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private, key, built


class TokenServer:
    """Knows users, and which repositories each may pull and push."""

    def __init__(self, directory: Path, users: dict[str, tuple[str, str]]) -> None:
        """``users`` are passwords and repository prefixes by name."""
        self._users = users
        self._bundle, _, self._key, self._certificate = certificate(directory, "token-issuer")
        self.granted: list[tuple[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the library's word
                pass

            def do_GET(self) -> None:
                outer._answer(self)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def registry_part(self) -> str:
        """The ``auth`` part of a registry that trusts this server."""
        port = self._server.server_address[1]
        return (
            f"auth:\n  token:\n    realm: http://127.0.0.1:{port}/token\n    service: tests\n"
            f"    issuer: tests\n    rootcertbundle: {self._bundle}\n"
        )

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        given = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        name, _, password = given.partition(":")
        known, prefix = self._users.get(name, ("", ""))
        if not known or known != password:
            request.send_response(401)
            request.end_headers()
            return
        access = []
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        for scope in " ".join(query.get("scope", [])).split():
            kind, repository, actions = scope.split(":")
            if repository.startswith(prefix):
                access.append({"type": kind, "name": repository, "actions": actions.split(",")})
                self.granted.append((name, repository))
        body = json.dumps({"token": self._token(name, access), "expires_in": 300}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.end_headers()
        request.wfile.write(body)

    def _token(self, name: str, access: list[dict[str, object]]) -> str:
        chain = [base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()]
        now = int(time.time())
        claims = {
            "iss": "tests",
            "sub": name,
            "aud": "tests",
            "exp": now + 300,
            "nbf": now - 30,
            "iat": now,
            "jti": f"{name}-{time.time_ns()}",
            "access": access,
        }
        signed = f"{_part({'typ': 'JWT', 'alg': 'ES256', 'x5c': chain})}.{_part(claims)}"
        first, second = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def _part(value: dict[str, object]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
