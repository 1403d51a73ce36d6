"""Levels and versions of the Pod Security Standards: which checks they mean, what labels ask for (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from apimachinery.objects import field_path
from apimachinery.objects.field_path import FieldError, FieldPath
from apimachinery.objects.metadata import Obj
from apiserver.admission.pod_security_checks import BASELINE, RESTRICTED, Check, Violation
from component.version import KUBERNETES_VERSION

PREFIX: Final = "pod-security.kubernetes.io/"
MODES: Final = ("enforce", "audit", "warn")
LEVELS: Final = ("privileged", "baseline", "restricted")
_LATEST: Final = "latest"
_MINOR: Final = int(KUBERNETES_VERSION.split(".")[1])
_VERSION: Final = re.compile(r"v1\.(0|[1-9][0-9]*)|latest")


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A level at a version (`latest` or `v1.N`)."""

    level: str = "privileged"
    version: str = _LATEST

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def privileged(self) -> bool:
        """Whether everything is allowed."""
        return self.level == "privileged"

    def relaxes(self, other: LevelVersion) -> bool:
        """Tell whether the level is not above the other's."""
        return LEVELS.index(self.level) <= LEVELS.index(other.level)

    def violations(self, meta: Obj, spec: Obj) -> list[Violation]:
        """Return what a Pod breaks."""
        minor = _MINOR if self.version == _LATEST else min(int(self.version.partition(".")[2]), _MINOR)
        found: list[Any] = [check(meta, spec) for check in _checks(self.level, minor)]
        return [violation for violation in found if violation is not None]


@lru_cache(maxsize=128)
def _checks(level: str, minor: int) -> tuple[Check, ...]:
    if level == "privileged":
        return ()
    baseline = {name: check.at(minor) for name, check in BASELINE.items()}
    restricted: dict[str, Check | None] = {}
    if level == "restricted":
        restricted = {name: check.at(minor) for name, check in RESTRICTED.items()}
        for name, check in restricted.items():
            if check is not None:
                baseline.pop(RESTRICTED[name].replaces, None)
    return tuple(check for check in (*baseline.values(), *restricted.values()) if check is not None)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a namespace asks for in each mode."""

    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()


def policy(labels: dict[str, str], defaults: Policy) -> Policy:
    """Read the labels; what can't be read is enforced as restricted, and neither warned nor told of.

    Where a level is enforced and none is said for warnings, workloads are warned of what their Pods would meet.
    """
    modes = {mode: _mode(labels, mode, getattr(defaults, mode)) for mode in MODES}
    enforce, warn = modes["enforce"], modes["warn"]
    if PREFIX + "enforce" in labels and PREFIX + "warn" not in labels and not enforce.relaxes(warn):
        version = labels.get(f"{PREFIX}warn-version", enforce.version)
        modes["warn"] = LevelVersion(enforce.level, version if _VERSION.fullmatch(version) else _LATEST)
    return Policy(**modes)


def _mode(labels: dict[str, str], mode: str, default: LevelVersion) -> LevelVersion:
    level = labels.get(PREFIX + mode, default.level)
    if level not in LEVELS:
        level = "restricted" if mode == "enforce" else "privileged"
    version = labels.get(f"{PREFIX}{mode}-version", default.version)
    return LevelVersion(level, version if _VERSION.fullmatch(version) else _LATEST)


def label_problems(labels: dict[str, str], path: FieldPath) -> list[FieldError]:
    """Return what is wrong with a namespace's labels."""
    out: list[FieldError] = []
    for mode in MODES:
        key = PREFIX + mode
        level = labels.get(key)
        if level is not None and level not in LEVELS:
            out.append(field_path.invalid(path.key(key), level, f"must be one of {', '.join(LEVELS)}"))
        version = labels.get(key + "-version")
        if version is not None and not _VERSION.fullmatch(version):
            out.append(field_path.invalid(path.key(key + "-version"), version, 'must be "latest" or "v1.x"'))
    return out


class PodSecurityConfigurationError(ValueError):
    """The plugin's configuration can't be used."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Defaults for namespaces without labels, and who is exempt."""

    defaults: Policy = Policy()
    usernames: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, raw: Obj) -> Configuration:
        """Read `PodSecurityConfiguration`.

        Raises:
            PodSecurityConfigurationError: a level or version doesn't exist.
        """
        defaults = raw.get("defaults") or {}
        labels = {PREFIX + key: str(value) for key, value in defaults.items() if value}
        problems = label_problems(labels, FieldPath("defaults"))
        if problems:
            raise PodSecurityConfigurationError(f"PodSecurity: {problems[0]}")
        exempt = raw.get("exemptions") or {}
        return cls(
            policy(labels, Policy()),
            frozenset(exempt.get("usernames") or ()),
            frozenset(exempt.get("namespaces") or ()),
            frozenset(exempt.get("runtimeClasses") or ()),
        )
