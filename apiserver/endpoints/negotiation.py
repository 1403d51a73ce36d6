"""What the client wants back, and what it sent. Pure, and remembered per header text.

JSON is the one wire form of answers (YAML on request); bodies may be protobuf, too, which upstream's typed clients
prefer. CBOR would be a row more in `_MEDIA`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from apimachinery.errors import NotAcceptable, UnsupportedMediaType

PROTOBUF = "application/vnd.kubernetes.protobuf"
_OBJECT_KINDS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_META_GROUP = "meta.k8s.io"
_META_VERSIONS = ("v1", "v1beta1")
_MEDIA = {
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
}
_CONTENT_TYPE = {"json": "application/json", "yaml": "application/yaml"}


class Form(NamedTuple):
    """The form of an answer: media type and, unless empty, the kind it is to be turned into."""

    media: str = "json"
    kind: str = ""
    version: str = "v1"

    @property
    def content_type(self) -> str:
        """The Content-Type of the answer."""
        return _CONTENT_TYPE[self.media]

    @property
    def api_version(self) -> str:
        """The apiVersion of that kind."""
        return f"{_META_GROUP}/{self.version}"


JSON = Form()


def _clauses(accept: str) -> list[tuple[float, str, dict[str, str]]]:
    found = []
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        values = {}
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            values[key.strip().lower()] = value.strip().strip('"')
        try:
            quality = float(values.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if media:
            found.append((-quality, media.lower(), values))
    return sorted(found, key=lambda item: item[0])


@lru_cache(maxsize=512)
def accepted(accept: str) -> Form | None:
    """Return the first form of an Accept header that we can give, or None."""
    if not accept:
        return JSON
    for _, media, values in _clauses(accept):
        form = _MEDIA.get(media)
        if form is None:
            continue
        kind = values.get("as", "")
        if not kind:
            return Form(form)
        group, version = values.get("g", _META_GROUP), values.get("v", "v1")
        if kind in _OBJECT_KINDS and group == _META_GROUP and version in _META_VERSIONS:
            return Form(form, kind, version)
    return None


def negotiate(accept: str) -> Form:
    """Return the form to answer in; `NotAcceptable` when there is none."""
    form = accepted(accept)
    if form is None:
        raise NotAcceptable(
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf"
        )
    return form


@lru_cache(maxsize=128)
def body_media(content_type: str) -> str:
    """Return how a request body is written: "json", "yaml" or "protobuf"; `UnsupportedMediaType`."""
    media = content_type.partition(";")[0].strip().lower()
    if not media:
        return "json"
    if media == PROTOBUF:
        return "protobuf"
    form = _MEDIA.get(media)
    if form is None or "*" in media:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
    return form


@lru_cache(maxsize=128)
def discovery_version(accept: str) -> str:
    """Return the version of aggregated discovery an Accept header asks for, or nothing for the legacy documents."""
    for _, media, values in _clauses(accept):
        if media not in ("application/json", "*/*", "application/*"):
            continue
        if values.get("as") == "APIGroupDiscoveryList":
            if values.get("g") == "apidiscovery.k8s.io" and values.get("v") in ("v2", "v2beta1"):
                return values["v"]
            continue
        return ""
    return ""
