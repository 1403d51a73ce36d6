"""PodSecurity: the Pod Security Standards, by labels of the namespace.

`enforce` refuses Pods; `warn` warns about Pods and workloads; `audit` annotates. A namespace without the labels costs
one dictionary look-up.
"""

from __future__ import annotations

import time
from typing import Final

from apimachinery.errors import Invalid
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.admission.pod_security_checks import Violation
from apiserver.admission.pod_security_levels import (
    MODES,
    PREFIX,
    Configuration,
    LevelVersion,
    Policy,
    label_problems,
    policy,
)

_SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_PREFIX: Final = "container.seccomp.security.alpha.kubernetes.io/"
_LABELS: Final = FieldPath("metadata").child("labels")
# How many Pods of a namespace are looked at when its level is raised, and for how many seconds.
_MOST_PODS: Final = 3000
_MOST_SECONDS: Final = 1.0
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


def told(level: LevelVersion, found: list[Violation]) -> str:
    """Word the violations as upstream does."""
    return f'violate PodSecurity "{level}": ' + ", ".join(f"{v.reason} ({v.detail})" for v in found)


class PodSecurity:
    """The plugin."""

    name = "PodSecurity"

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        self._pods = services.listers("pods")
        self._config = Configuration.of(services.configuration.get(self.name) or {})
        self._labels_only = self._config.defaults == Policy()

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Pods, workloads, namespaces."""
        if operation not in (CREATE, UPDATE):
            return False
        if group_resource == "pods":
            return subresource in ("", "ephemeralcontainers", "resize")
        return not subresource and (group_resource in _TEMPLATES or group_resource == "namespaces")

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Judge one write."""
        if attrs.group_resource == "namespaces":
            self._check_namespace(attrs)
            return
        namespace = self._namespaces.get(None, attrs.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        if attrs.object is None or (self._labels_only and not any(PREFIX + mode in labels for mode in MODES)):
            return
        if self._exempt(attrs):
            return
        wanted = policy(labels, self._config.defaults)
        wrong = label_problems(labels, _LABELS)
        if wrong:
            problem = f"Failed to parse policy: {', '.join(str(one) for one in wrong)}"
            attrs.audit[f"{PREFIX}error"] = problem
        if attrs.group_resource == "pods":
            self._check_pod(attrs, attrs.object, wanted)
        else:
            template = _template(attrs.object, _TEMPLATES[attrs.group_resource])
            if template.get("spec"):
                self._judge(attrs, wanted, template.get("metadata") or {}, template["spec"], enforce=False)

    def _exempt(self, attrs: AdmissionAttributes) -> bool:
        for why, names, name in (
            ("namespace", self._config.namespaces, attrs.namespace),
            ("user", self._config.usernames, attrs.user.name),
        ):
            if name in names:
                attrs.audit[f"{PREFIX}exempt"] = why
                return True
        return False

    def _check_pod(self, attrs: AdmissionAttributes, pod: Obj, wanted: Policy) -> None:
        old = attrs.old_object
        if attrs.operation == UPDATE and old is not None and not significant(pod, old):
            return
        self._judge(attrs, wanted, pod.get("metadata") or {}, pod.get("spec") or {}, enforce=True)

    def _judge(self, attrs: AdmissionAttributes, wanted: Policy, meta: Obj, spec: Obj, *, enforce: bool) -> None:
        if spec.get("runtimeClassName") in self._config.runtime_classes:
            attrs.audit[f"{PREFIX}exempt"] = "runtimeClass"
            return
        broken: list[Violation] = []
        if enforce:
            attrs.audit[f"{PREFIX}enforce-policy"] = str(wanted.enforce)
            broken = wanted.enforce.violations(meta, spec)
        found = wanted.audit.violations(meta, spec)
        if found:
            attrs.audit[f"{PREFIX}audit-violations"] = "would " + told(wanted.audit, found)
        if broken:
            raise attrs.forbidden(told(wanted.enforce, broken).replace("violate ", "violates ", 1))
        found = wanted.warn.violations(meta, spec)
        if found:
            attrs.warnings.append("would " + told(wanted.warn, found))

    def _check_namespace(self, attrs: AdmissionAttributes) -> None:
        labels = ((attrs.object or {}).get("metadata") or {}).get("labels") or {}
        old_labels = ((attrs.old_object or {}).get("metadata") or {}).get("labels") or {}
        problems = label_problems(labels, _LABELS)
        if problems and (attrs.operation == CREATE or label_problems(old_labels, _LABELS) != problems):
            raise Invalid.of("Namespace", "", attrs.named(), problems)
        wanted = policy(labels, self._config.defaults)
        if attrs.named() in self._config.namespaces:
            self._warn_exempt(attrs, wanted)
            return
        level = wanted.enforce
        before = policy(old_labels, self._config.defaults).enforce
        relaxed = level.version == before.version and level.relaxes(before)
        if attrs.operation == UPDATE and not level.privileged and not relaxed:
            self._warn_existing(attrs, level)

    def _warn_exempt(self, attrs: AdmissionAttributes, wanted: Policy) -> None:
        labels = ((attrs.object or {}).get("metadata") or {}).get("labels") or {}
        for mode in MODES:
            level: LevelVersion = getattr(wanted, mode)
            if PREFIX + mode in labels and not level.privileged:
                attrs.warnings.append(
                    f'namespace "{attrs.named()}" is exempt from Pod Security, and the policy '
                    f"({mode}={level}) will be ignored"
                )
                return

    def _warn_existing(self, attrs: AdmissionAttributes, level: LevelVersion) -> None:
        """Tell which Pods that are there could not be made any more; not longer than a client waits."""
        pods = self._pods.list(attrs.named())
        broken: dict[str, list[str]] = {}
        until, checked = time.monotonic() + _MOST_SECONDS, 0
        for pod in pods[:_MOST_PODS]:
            if time.monotonic() > until:
                break
            checked += 1
            spec = pod.get("spec") or {}
            if spec.get("runtimeClassName") in self._config.runtime_classes:
                continue
            found = level.violations(pod["metadata"], spec)
            if found:
                text = ", ".join(violation.reason for violation in found)
                broken.setdefault(text, []).append(pod["metadata"]["name"])
        if checked < len(pods):
            attrs.warnings.append(
                f"new PodSecurity enforce level only checked against the first {checked} of {len(pods)} existing pods"
            )
        if not broken:
            return
        attrs.warnings.append(
            f'existing pods in namespace "{attrs.named()}" violate the new PodSecurity enforce level "{level}"'
        )
        lines = []
        for text, names in broken.items():
            others = len(names) - 1
            more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
            lines.append(f"{min(names)}{more}: {text}")
        attrs.warnings.extend(sorted(lines))


def significant(pod: Obj, old: Obj) -> bool:
    """Tell whether an update of a Pod can matter: images, seccomp annotations, another container."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    before = (old.get("metadata") or {}).get("annotations") or {}

    def differs(key: str) -> bool:
        return bool(annotations.get(key) != before.get(key))

    if differs(_SECCOMP_POD):
        return True
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        present = {one.get("name"): one for one in (old.get("spec") or {}).get(kind) or ()}
        for container in (pod.get("spec") or {}).get(kind) or ():
            known = present.get(container.get("name"))
            if known is None or known.get("image") != container.get("image"):
                return True
            if differs(_SECCOMP_PREFIX + str(container.get("name"))):
                return True
    return False
