"""Pure: image references and registry credentials."""

from __future__ import annotations

import base64
import json
import re
from fnmatch import fnmatch
from typing import Any

Obj = dict[str, Any]

_REFERENCE = re.compile(
    r"^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$"
)
DEFAULT_REGISTRY = "https://index.docker.io/v1/"


def with_default_tag(image: str) -> str | None:
    """The reference with `:latest` added where neither tag nor digest stands; None if it is no reference."""
    if not _REFERENCE.match(image):
        return None
    last = image.rsplit("/", 1)[-1]
    return image if "@" in image or ":" in last else f"{image}:latest"


def default_policy(image: str) -> str:
    """The pull policy of a container that sets none."""
    named = with_default_tag(image) or image
    return "Always" if named.endswith(":latest") else "IfNotPresent"


def registry_of(image: str) -> str:
    """Host of the registry; Docker Hub for short names."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return "docker.io"


def credentials(image: str, secrets: list[Obj]) -> list[dict[str, str]]:
    """Credentials from dockerconfigjson and dockercfg secrets that fit the image, longest match first."""
    found: list[tuple[int, dict[str, str]]] = []
    target = image if registry_of(image) != "docker.io" else f"index.docker.io/{image}"
    for secret in secrets:
        for host, entry in _entries(secret).items():
            key = re.sub(r"^https?://", "", host).rstrip("/").removesuffix("/v1").removesuffix("/v2")
            if _fits(key, target):
                found.append((len(key), _auth(entry)))
    return [entry for _, entry in sorted(found, key=lambda item: -item[0])]


def _entries(secret: Obj) -> dict[str, Obj]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            return dict(json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {})
        if ".dockercfg" in data:
            return dict(json.loads(base64.b64decode(data[".dockercfg"])))
    except ValueError:
        return {}
    return {}


def _fits(key: str, image: str) -> bool:
    host, _, path = key.partition("/")
    image_host, _, image_path = image.partition("/")
    if host == "docker.io":
        host = "index.docker.io"
    return fnmatch(image_host, host) and (not path or image_path.startswith(path))


def _auth(entry: Obj) -> dict[str, str]:
    user, password = entry.get("username") or "", entry.get("password") or ""
    if entry.get("auth") and not user:
        decoded = base64.b64decode(entry["auth"]).decode("utf-8", "replace")
        user, _, password = decoded.partition(":")
    result = {"username": user, "password": password}
    if entry.get("identitytoken"):
        result["identity_token"] = entry["identitytoken"]
    return result
