"""PodSecurity: the Pod Security Standards, by labels of the namespace.

`enforce` refuses Pods; `warn` warns about Pods and workloads; `audit` annotates. A namespace without the labels costs
one dictionary look-up.
"""

from __future__ import annotations

import re
from typing import Final

from apimachinery.errors import Invalid
from apimachinery.objects import field_path
from apimachinery.objects.field_path import FieldError, FieldPath
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.admission.pod_security_checks import LEVELS, Violation, violations

_PREFIX: Final = "pod-security.kubernetes.io/"
_MODES: Final = ("enforce", "audit", "warn")
_VERSION: Final = re.compile(r"v1\.(0|[1-9][0-9]*)|latest")
# workload -> path of its Pod template
_TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "deployments.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "podtemplates": ("template",),
    "replicasets.apps": ("spec", "template"),
    "replicationcontrollers": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
}


def _template(obj: Obj, path: tuple[str, ...]) -> Obj:
    value = obj
    for part in path:
        value = value.get(part) or {}
    return value


def told(level: str, version: str, found: list[Violation]) -> str:
    """Word the violations as upstream does."""
    return f'violate PodSecurity "{level}:{version}": ' + ", ".join(f"{v.reason} ({v.detail})" for v in found)


def policy(labels: dict[str, str], mode: str) -> tuple[str, str]:
    """Return (level, version) of a mode; a level that does not exist counts as restricted."""
    level = labels.get(_PREFIX + mode)
    if level is None:
        return "privileged", "latest"
    return level if level in LEVELS else "restricted", labels.get(f"{_PREFIX}{mode}-version", "latest")


class PodSecurity:
    """The plugin."""

    name = "PodSecurity"

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        self._pods = services.listers("pods")

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Pods, workloads, namespaces."""
        if operation not in (CREATE, UPDATE):
            return False
        if group_resource == "pods":
            return subresource in ("", "ephemeralcontainers")
        return not subresource and (group_resource in _TEMPLATES or group_resource == "namespaces")

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Judge one write."""
        if attrs.group_resource == "namespaces":
            self._check_namespace(attrs)
            return
        namespace = self._namespaces.get(None, attrs.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        if attrs.object is None or not any(_PREFIX + mode in labels for mode in _MODES):
            return
        if attrs.group_resource == "pods":
            self._check_pod(attrs, attrs.object, labels)
        else:
            self._check_workload(attrs, _template(attrs.object, _TEMPLATES[attrs.group_resource]), labels)

    def _check_pod(self, attrs: AdmissionAttributes, pod: Obj, labels: dict[str, str]) -> None:
        meta, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        old = attrs.old_object
        if attrs.operation == UPDATE and old is not None and not _significant(meta, spec, old):
            return
        level, version = policy(labels, "enforce")
        attrs.audit["pod-security.kubernetes.io/enforce-policy"] = f"{level}:{version}"
        found = violations(level, meta, spec)
        if found:
            raise attrs.forbidden(told(level, version, found).replace("violate ", "violates ", 1))
        self._soft(attrs, meta, spec, labels)

    def _check_workload(self, attrs: AdmissionAttributes, template: Obj, labels: dict[str, str]) -> None:
        if template.get("spec"):
            self._soft(attrs, template.get("metadata") or {}, template["spec"], labels)

    def _soft(self, attrs: AdmissionAttributes, meta: Obj, spec: Obj, labels: dict[str, str]) -> None:
        level, version = policy(labels, "audit")
        found = violations(level, meta, spec)
        if found:
            key = "pod-security.kubernetes.io/audit-violations"
            attrs.audit[key] = "would " + told(level, version, found)
        level, version = policy(labels, "warn")
        found = violations(level, meta, spec)
        if found:
            attrs.warnings.append("would " + told(level, version, found))

    def _check_namespace(self, attrs: AdmissionAttributes) -> None:
        labels = ((attrs.object or {}).get("metadata") or {}).get("labels") or {}
        problems = _label_problems(labels)
        old_labels = ((attrs.old_object or {}).get("metadata") or {}).get("labels") or {}
        if problems and _label_problems(old_labels) != problems:
            raise Invalid.of("Namespace", "", attrs.named(), problems)
        if attrs.operation != UPDATE:
            return
        level, version = policy(labels, "enforce")
        if (level, version) == policy(old_labels, "enforce") or level == "privileged":
            return
        self._warn_existing(attrs, level, version)

    def _warn_existing(self, attrs: AdmissionAttributes, level: str, version: str) -> None:
        told_before: dict[str, list[str]] = {}
        for pod in self._pods.list(attrs.named()):
            found = violations(level, pod["metadata"], pod.get("spec") or {})
            if found:
                text = ", ".join(violation.reason for violation in found)
                told_before.setdefault(text, []).append(pod["metadata"]["name"])
        if not told_before:
            return
        attrs.warnings.append(
            f'existing pods in namespace "{attrs.named()}" violate the new PodSecurity '
            f'enforce level "{level}:{version}"'
        )
        for text, pods in sorted(told_before.items(), key=lambda item: item[1][0]):
            others = len(pods) - 1
            more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
            attrs.warnings.append(f"{pods[0]}{more}: {text}")


def _significant(meta: Obj, spec: Obj, old: Obj) -> bool:
    """Tell whether an update of a Pod can matter to the standards."""
    old_spec, old_meta = old.get("spec") or {}, old.get("metadata") or {}
    return bool(spec != old_spec or meta.get("annotations") != old_meta.get("annotations"))


def _label_problems(labels: dict[str, str]) -> list[FieldError]:
    path = FieldPath("metadata").child("labels")
    out: list[FieldError] = []
    for mode in _MODES:
        key = _PREFIX + mode
        level = labels.get(key)
        if level is not None and level not in LEVELS:
            out.append(field_path.invalid(path.key(key), level, f"must be one of {', '.join(LEVELS)}"))
        version = labels.get(key + "-version")
        if version is not None and not _VERSION.fullmatch(version):
            out.append(field_path.invalid(path.key(key + "-version"), version, 'must be "latest" or "v1.x"'))
    return out
