"""Volumes: defaults and validation of their sources."""

from collections.abc import Callable
from typing import Any

from apimachinery.apis.core.container import apply_reference_defaults
from apimachinery.apis.core.environment import IN_FILES, validate_field_ref, validate_resource_ref
from apimachinery.apis.field_rules import Errors, named, optional_one_of, quantity
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, required, too_long
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


# -- validation --------------------------------------------------------------------------------------------------------

_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_LEAST_TOKEN_SECONDS = 600
_MOST_DRIVER_CHARACTERS = 63
_NOT_SOURCES = frozenset(("name",))


def _mode(value: int | None, path: FieldPath) -> Errors:
    return [invalid(path, value, _MODE_RANGE)] if value is not None and not 0 <= value <= 0o777 else []


def _relative(text: str, path: FieldPath) -> Errors:
    if text.startswith("/"):
        return [invalid(path, text, "must be a relative path")]
    if ".." in text.split("/"):
        return [invalid(path, text, "must not contain '..'")]
    return [invalid(path, text, "must not start with '..'")] if text.startswith("..") else []


def _items(source: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    for position, item in enumerate(source.get("items") or ()):
        here = path.child("items").index(position)
        if not item.get("key"):
            errors.append(required(here.child("key")))
        if not item.get("path"):
            errors.append(required(here.child("path")))
        else:
            errors.extend(_relative(item["path"], here.child("path")))
        errors.extend(_mode(item.get("mode"), here.child("mode")))
    return errors


def _check_config_map(source: Obj, path: FieldPath) -> Errors:
    errors = [] if source.get("name") else [required(path.child("name"))]
    return [*errors, *_mode(source.get("defaultMode"), path.child("defaultMode")), *_items(source, path)]


def _check_secret(source: Obj, path: FieldPath) -> Errors:
    errors = [] if source.get("secretName") else [required(path.child("secretName"))]
    return [*errors, *_mode(source.get("defaultMode"), path.child("defaultMode")), *_items(source, path)]


def _check_downward(source: Obj, path: FieldPath) -> Errors:
    errors = _mode(source.get("defaultMode"), path.child("defaultMode"))
    for position, item in enumerate(source.get("items") or ()):
        here = path.child("items").index(position)
        if not item.get("path"):
            errors.append(required(here.child("path")))
        else:
            errors.extend(_relative(item["path"], here.child("path")))
        given = [kind for kind in ("fieldRef", "resourceFieldRef") if kind in item]
        if len(given) == 2:
            told = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(here, "resource", told))
        elif not given:
            errors.append(required(here, "one of fieldRef and resourceFieldRef is required"))
        elif given == ["fieldRef"]:
            errors.extend(validate_field_ref(item["fieldRef"], here.child("fieldRef"), IN_FILES))
        else:
            where = here.child("resourceFieldRef")
            errors.extend(validate_resource_ref(item["resourceFieldRef"], where, of_volume=True))
        errors.extend(_mode(item.get("mode"), here.child("mode")))
    return errors


def _check_projected(source: Obj, path: FieldPath) -> Errors:
    errors = _mode(source.get("defaultMode"), path.child("defaultMode"))
    for position, one in enumerate(source.get("sources") or ()):
        here = path.child("sources").index(position)
        given = list(one)
        errors.extend(forbidden(here.child(kind), "may not specify more than 1 volume type") for kind in given[1:])
        if not given:
            errors.append(required(here, "must specify a volume type"))
        for kind in ("secret", "configMap"):
            if kind in one:
                if not one[kind].get("name"):
                    errors.append(required(here.child(kind, "name")))
                errors.extend(_items(one[kind], here.child(kind)))
        if "downwardAPI" in one:
            errors.extend(_check_downward(one["downwardAPI"], here.child("downwardAPI")))
        token = one.get("serviceAccountToken")
        if token is not None:
            where = here.child("serviceAccountToken")
            seconds = token.get("expirationSeconds", _TOKEN_SECONDS)
            if seconds < _LEAST_TOKEN_SECONDS:
                told = "may not specify a duration less than 10 minutes"
                errors.append(invalid(where.child("expirationSeconds"), seconds, told))
            if seconds > 2**32:
                told = "may not specify a duration larger than 2^32 seconds"
                errors.append(invalid(where.child("expirationSeconds"), seconds, told))
            if not token.get("path"):
                errors.append(required(where.child("path")))
            else:
                errors.extend(_relative(token["path"], where.child("path")))
    return errors


def _check_host_path(source: Obj, path: FieldPath) -> Errors:
    where = source.get("path")
    if not where:
        return [required(path.child("path"))]
    errors: Errors = []
    if ".." in where.split("/"):
        errors.append(invalid(path.child("path"), where, "must not contain '..'"))
    return [*errors, *optional_one_of(source.get("type"), path.child("type"), _HOST_PATH_TYPES)]


def _check_claim(source: Obj, path: FieldPath) -> Errors:
    return [] if source.get("claimName") else [required(path.child("claimName"))]


def _check_empty_dir(source: Obj, path: FieldPath) -> Errors:
    limit = source.get("sizeLimit")
    return quantity(limit, path.child("sizeLimit")) if limit is not None else []


def _check_nfs(source: Obj, path: FieldPath) -> Errors:
    errors = [required(path.child(field)) for field in ("server", "path") if not source.get(field)]
    if source.get("path") and not source["path"].startswith("/"):
        errors.append(invalid(path.child("path"), source["path"], "must be an absolute path"))
    return errors


def _check_csi(source: Obj, path: FieldPath) -> Errors:
    errors = driver_name(source.get("driver"), path.child("driver"))
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        errors.append(required(path.child("nodePublishSecretRef", "name")))
    return errors


def driver_name(name: str | None, path: FieldPath) -> Errors:
    """What is wrong with the name of a CSI driver."""
    if not name:
        return [required(path)]
    if len(name) > _MOST_DRIVER_CHARACTERS:
        return [too_long(path, name, _MOST_DRIVER_CHARACTERS)]
    return [invalid(path, name, problem) for problem in names.dns1123_subdomain_problems(name.lower())]


def _check_ephemeral(source: Obj, path: FieldPath) -> Errors:
    from apimachinery.apis.core.persistent_volume_claim import validate_spec

    template = source.get("volumeClaimTemplate")
    if not template:
        return [required(path.child("volumeClaimTemplate"))]
    return validate_spec(template.get("spec") or {}, path.child("volumeClaimTemplate", "spec"))


def _check_image(source: Obj, path: FieldPath) -> Errors:
    errors = [] if source.get("reference") else [required(path.child("reference"))]
    policies = ("Always", "IfNotPresent", "Never")
    return [*errors, *optional_one_of(source.get("pullPolicy"), path.child("pullPolicy"), policies)]


def _needs(*fields: str) -> Callable[[Obj, FieldPath], Errors]:
    """A check that fields are given: `a`, or one of `a|b`."""

    def check(source: Obj, path: FieldPath) -> Errors:
        return [
            required(path.child(field.partition("|")[0]))
            for field in fields
            if not any(source.get(one) for one in field.split("|"))
        ]

    return check


_CHECKS: dict[str, Callable[[Obj, FieldPath], Errors]] = {
    "awsElasticBlockStore": _needs("volumeID"),
    "azureDisk": _needs("diskName", "diskURI"),
    "azureFile": _needs("secretName", "shareName"),
    "cephfs": _needs("monitors"),
    "cinder": _needs("volumeID"),
    "configMap": _check_config_map,
    "csi": _check_csi,
    "downwardAPI": _check_downward,
    "emptyDir": _check_empty_dir,
    "ephemeral": _check_ephemeral,
    "fc": _needs("targetWWNs|wwids"),
    "flexVolume": _needs("driver"),
    "flocker": _needs("datasetName|datasetUUID"),
    "gcePersistentDisk": _needs("pdName"),
    "gitRepo": _needs("repository"),
    "glusterfs": _needs("endpoints", "path"),
    "hostPath": _check_host_path,
    "image": _check_image,
    "iscsi": _needs("targetPortal", "iqn"),
    "nfs": _check_nfs,
    "persistentVolumeClaim": _check_claim,
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "projected": _check_projected,
    "quobyte": _needs("registry", "volume"),
    "rbd": _needs("monitors", "image"),
    "scaleIO": _needs("gateway", "system", "volumeName"),
    "secret": _check_secret,
    "vsphereVolume": _needs("volumePath"),
}


def validate_all(volumes: Any, path: FieldPath) -> Errors:
    """What is wrong with a pod's volumes."""
    errors: Errors = []
    seen: set[str] = set()
    for position, volume in enumerate(volumes or ()):
        here = path.index(position)
        name = volume.get("name")
        errors.extend(named(name, here.child("name"), names.dns1123_label_problems))
        if name and name in seen:
            errors.append(duplicate(here.child("name"), name))
        seen.add(name or "")
        errors.extend(validate_sources(volume, here))
    return errors


def validate_sources(volume: Obj, path: FieldPath) -> Errors:
    """What is wrong with a volume's source; there must be just one."""
    given = [kind for kind in volume if kind not in _NOT_SOURCES]
    if not given:
        return [required(path, "must specify a volume type")]
    errors = [forbidden(path.child(kind), "may not specify more than 1 volume type") for kind in given[1:]]
    for kind in given:
        errors.extend(validate_source(kind, volume[kind], path.child(kind)))
    return errors


def validate_source(kind: str, source: Obj, path: FieldPath) -> Errors:
    """What is wrong with a source of one kind."""
    check = _CHECKS.get(kind)
    return check(source, path) if check is not None else []
