"""Volumes: defaults of their sources."""

from collections.abc import Callable

from apimachinery.apis.core.container import apply_reference_defaults
from apimachinery.objects.metadata import Obj

_MODE = 0o644
_TOKEN_SECONDS = 3600


def _files(source: Obj) -> None:
    source.setdefault("defaultMode", _MODE)


def _downward(source: Obj) -> None:
    _files(source)
    for item in source.get("items") or ():
        apply_reference_defaults(item)


def _projected(source: Obj) -> None:
    _files(source)
    for one in source.get("sources") or ():
        token = one.get("serviceAccountToken")
        if token is not None:
            token.setdefault("expirationSeconds", _TOKEN_SECONDS)
        for item in (one.get("downwardAPI") or {}).get("items") or ():
            apply_reference_defaults(item)


def _host_path(source: Obj) -> None:
    source.setdefault("type", "")


def _image(source: Obj) -> None:
    from apimachinery.apis.core.container import default_pull_policy

    if not source.get("pullPolicy"):
        source["pullPolicy"] = default_pull_policy(source.get("reference") or "")


def _iscsi(source: Obj) -> None:
    source.setdefault("iscsiInterface", "default")


def _rbd(source: Obj) -> None:
    for field, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
        source.setdefault(field, value)


def _ephemeral(source: Obj) -> None:
    spec = (source.get("volumeClaimTemplate") or {}).get("spec")
    if spec is not None:
        spec.setdefault("volumeMode", "Filesystem")


def _azure_disk(source: Obj) -> None:
    for field, value in (("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4"), ("readOnly", False)):
        source.setdefault(field, value)


_DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "azureDisk": _azure_disk,
    "configMap": _files,
    "downwardAPI": _downward,
    "ephemeral": _ephemeral,
    "hostPath": _host_path,
    "image": _image,
    "iscsi": _iscsi,
    "projected": _projected,
    "rbd": _rbd,
    "secret": _files,
}


def apply_defaults(volume: Obj) -> None:
    """Fill in a volume, in place; one without a source is an emptyDir."""
    sources = 0
    for name, source in volume.items():
        if type(source) is dict:
            sources += 1
            fill = _DEFAULTS.get(name)
            if fill is not None:
                fill(source)
    if not sources:
        volume["emptyDir"] = {}
