"""Image names as people write them and as the store keeps them. Pure.

A reference is ``[registry/]path[:tag][@digest]``. ``busybox`` is ``docker.io/library/busybox:latest``; an image that
``buildah`` built without a registry is ``localhost/name:latest``; a bare 64-digit hex string is an image id.
"""

import re
from typing import NamedTuple

_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_ID = re.compile(r"[0-9a-f]{3,64}")
_FULL_ID = re.compile(r"[0-9a-f]{64}")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")


class Reference(NamedTuple):
    """A parsed image name; ``registry`` is empty for a short name."""

    registry: str
    path: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        """``registry/path``."""
        return f"{self.registry}/{self.path}" if self.registry else self.path

    def __str__(self) -> str:
        """The name with tag and digest as given."""
        text = self.repository
        if self.tag:
            text += f":{self.tag}"
        if self.digest:
            text += f"@{self.digest}"
        return text

    def tagged(self) -> "Reference":
        """The same with ``latest`` where neither tag nor digest is given."""
        return self if self.tag or self.digest else self._replace(tag="latest")


def parse(name: str) -> Reference:
    """Parse an image name.

    Raises:
        ValueError: the name is not a reference; the text says why.
    """
    rest, digest, tag = name, "", ""
    if "@" in rest:
        rest, digest = rest.split("@", 1)
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"invalid reference format: {name!r}: bad digest {digest!r}")
    head, slash, tail = rest.rpartition("/")
    if ":" in tail:
        tail, tag = tail.split(":", 1)
        if not _TAG.fullmatch(tag):
            raise ValueError(f"invalid reference format: {name!r}: bad tag {tag!r}")
    rest = f"{head}{slash}{tail}"
    first, slash, remainder = rest.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, remainder) if is_registry else ("", rest)
    if registry and not _REGISTRY.fullmatch(registry):
        raise ValueError(f"invalid reference format: {name!r}: bad registry {registry!r}")
    if not path or not all(_COMPONENT.fullmatch(part) for part in path.split("/")):
        raise ValueError(f"invalid reference format: {name!r}")
    return Reference(registry, path, tag, digest)


def is_id(name: str) -> bool:
    """Whether the text may be an image id or its beginning."""
    return bool(_ID.fullmatch(name))


def is_full_id(name: str) -> bool:
    """Whether the text is a whole image id."""
    return bool(_FULL_ID.fullmatch(name))


def official(reference: Reference) -> Reference:
    """A full name as the store keeps it: Docker Hub has one name, and its images without an owner are ``library``'s."""
    if reference.registry in ("docker.io", "index.docker.io"):
        path = reference.path if "/" in reference.path else f"library/{reference.path}"
        return reference._replace(registry="docker.io", path=path)
    return reference
