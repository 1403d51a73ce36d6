"""Security contexts of pods and containers: validation."""

import re

from apimachinery.apis.field_rules import Errors, one_of, optional_one_of
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, required
from apimachinery.objects.metadata import Obj

_MOST_ID = 2**31 - 1
_ID_RANGE = "must be between 0 and 2147483647, inclusive"
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_SYSCTL_RULE = (
    "must have at most 253 characters and match regex "
    "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
)
_SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")


def _identities(context: Obj, fields: tuple[str, ...], path: FieldPath) -> Errors:
    return [
        invalid(path.child(field), context[field], _ID_RANGE)
        for field in fields
        if context.get(field) is not None and not 0 <= context[field] <= _MOST_ID
    ]


def _profiles(context: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if profile is None:
            continue
        here = path.child(field)
        errors.extend(one_of(profile.get("type"), here.child("type"), _SECCOMP))
        local = profile.get("localhostProfile")
        if profile.get("type") == "Localhost":
            if not local:
                errors.append(required(here.child("localhostProfile"), "must be set when seccomp type is Localhost"))
        elif local is not None:
            told = "can only be set when seccomp type is Localhost"
            errors.append(invalid(here.child("localhostProfile"), local, told))
    return errors


def validate_container(context: Obj, path: FieldPath) -> Errors:
    """What is wrong with a container's security context."""
    errors = _identities(context, ("runAsUser", "runAsGroup"), path)
    errors.extend(_profiles(context, path))
    errors.extend(optional_one_of(context.get("procMount"), path.child("procMount"), ("Default", "Unmasked")))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            told = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(invalid(path, context, told))
        elif "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            told = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            errors.append(invalid(path, context, told))
    return errors


def validate_pod(context: Obj, spec: Obj, path: FieldPath) -> Errors:
    """What is wrong with a pod's security context."""
    errors = _identities(context, ("runAsUser", "runAsGroup", "fsGroup"), path)
    errors.extend(_profiles(context, path))
    errors.extend(
        invalid(path.child("supplementalGroups").index(position), group, _ID_RANGE)
        for position, group in enumerate(context.get("supplementalGroups") or ())
        if not 0 <= group <= _MOST_ID
    )
    errors.extend(
        optional_one_of(
            context.get("fsGroupChangePolicy"), path.child("fsGroupChangePolicy"), ("Always", "OnRootMismatch")
        )
    )
    errors.extend(_sysctls(context.get("sysctls") or [], path.child("sysctls")))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        told = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(path.child("shareProcessNamespace"), True, told))
    if spec.get("hostUsers") is False:
        errors.extend(
            forbidden(path.child(field), "when `hostUsers` is false")
            for field in ("hostNetwork", "hostPID", "hostIPC")
            if spec.get(field)
        )
    return errors


def _sysctls(sysctls: list[Obj], path: FieldPath) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for position, one in enumerate(sysctls):
        here = path.index(position).child("name")
        name = one.get("name")
        if not name:
            errors.append(required(here))
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            errors.append(invalid(here, name, _SYSCTL_RULE))
        elif name.replace("/", ".") in seen:
            errors.append(duplicate(here, name))
        seen.add((name or "").replace("/", "."))
    return errors
