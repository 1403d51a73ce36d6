"""Kubeconfig files: read, choose a context, and turn it into where and how to connect."""

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class KubeconfigError(ValueError):
    """The file is missing, malformed, or lacks what is asked for."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and how to connect.

    Attributes:
        server: The base URL, without a trailing slash.
        ssl_context: For HTTPS; None for plain HTTP.
        token: A bearer token, or an empty string.
        token_file: A file with a token that is read again when it changes, or an empty string.
        namespace: The context's namespace.
    """

    server: str
    ssl_context: ssl.SSLContext | None = None
    token: str = ""
    token_file: str = ""
    namespace: str = "default"


def load(path: str, context: str | None = None) -> Connection:
    """Read a kubeconfig and resolve a context (the current one by default).

    Raises:
        KubeconfigError: naming the file and what is wrong.
    """
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path}: {error.strerror}") from error
    document = _parse(path, text)
    name = context or document.get("current-context") or ""
    chosen = _named(document, "contexts", name, path).get("context") or {}
    cluster = _named(document, "clusters", chosen.get("cluster", ""), path).get("cluster") or {}
    user = (_named(document, "users", chosen["user"], path).get("user") or {}) if chosen.get("user") else {}
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        raise KubeconfigError(f"kubeconfig {path}: cluster {chosen.get('cluster')!r} has no server")
    base = Path(path).resolve().parent
    secure = server.startswith("https:")
    return Connection(
        server=server,
        ssl_context=_ssl_context(cluster, user, base) if secure else None,
        token=str(user.get("token") or ""),
        token_file=str(base / user["tokenFile"]) if user.get("tokenFile") else "",
        namespace=str(chosen.get("namespace") or "default"),
    )


def _parse(path: str, text: str) -> dict[str, Any]:
    # Our own files are JSON, which needs no YAML library at start.
    if text.lstrip().startswith("{"):
        import json

        try:
            document: Any = json.loads(text)
        except ValueError as error:
            raise KubeconfigError(f"kubeconfig {path}: {error}") from error
    else:
        import yaml

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise KubeconfigError(f"kubeconfig {path}: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"kubeconfig {path}: not a kubeconfig")
    return document


def _named(document: dict[str, Any], key: str, name: str, path: str) -> dict[str, Any]:
    for entry in document.get(key) or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry
            return found
    raise KubeconfigError(f"kubeconfig {path}: no entry {name!r} in {key}")


def _ssl_context(cluster: dict[str, Any], user: dict[str, Any], base: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif cluster.get("certificate-authority-data"):
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    elif cluster.get("certificate-authority"):
        context = ssl.create_default_context(cafile=str(base / cluster["certificate-authority"]))
    if user.get("client-certificate-data"):
        _load_pair(
            context, base64.b64decode(user["client-certificate-data"]), base64.b64decode(user["client-key-data"])
        )
    elif user.get("client-certificate"):
        context.load_cert_chain(str(base / user["client-certificate"]), str(base / user["client-key"]))
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL's Python binding takes files only; an anonymous one keeps the key off the disk.
    descriptor = os.memfd_create("client-pair") if hasattr(os, "memfd_create") else tempfile.mkstemp()[0]
    try:
        os.write(descriptor, certificate + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
