"""Priority: a Pod's priority number comes from its PriorityClass."""

from __future__ import annotations

from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_CLASSES: Final = "priorityclasses.scheduling.k8s.io"
_POLICY: Final = "PreemptLowerPriority"
# The two that exist from the first moment, before their objects are stored.
SYSTEM_CLASSES: Final[dict[str, int]] = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}


class Priority(OnResources):
    """The plugin."""

    name = "Priority"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", ""), (CREATE, _CLASSES, ""), (UPDATE, _CLASSES, "")})

    def __init__(self, services: PluginServices) -> None:
        self._classes = services.listers(_CLASSES)
        self._default: Obj | None = None
        self._stale = True
        self._classes.on_touch(self._changed)

    def _changed(self, *_: Any) -> None:
        self._stale = True

    def _default_class(self) -> Obj | None:
        if self._stale:
            marked = [found for found in self._classes.list() if found.get("globalDefault")]
            self._default = min(marked, key=lambda found: int(found.get("value", 0)), default=None)
            self._stale = False
        return self._default

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Fill priority, class name and preemption policy."""
        if attrs.group_resource != "pods" or attrs.object is None:
            return
        spec = attrs.object["spec"]
        if attrs.operation == UPDATE:
            old = (attrs.old_object or {}).get("spec") or {}
            for field in ("priority", "preemptionPolicy"):
                if spec.get(field) is None and old.get(field) is not None:
                    spec[field] = old[field]
            return
        value, policy = self._resolve(attrs, spec)
        given = spec.get("priority")
        if given is not None and given != value:
            raise attrs.forbidden(
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name"
            )
        spec["priority"] = value
        given_policy = spec.get("preemptionPolicy")
        if given_policy is not None and given_policy != policy:
            raise attrs.forbidden(
                f"the string value of PreemptionPolicy ({given_policy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec["preemptionPolicy"] = policy

    def _resolve(self, attrs: AdmissionAttributes, spec: Obj) -> tuple[int, str]:
        name = spec.get("priorityClassName")
        if not name:
            default = self._default_class()
            if default is None:
                return 0, _POLICY
            spec["priorityClassName"] = default["metadata"]["name"]
            return int(default.get("value", 0)), default.get("preemptionPolicy") or _POLICY
        found = self._classes.get(None, name)
        if found is not None:
            return int(found.get("value", 0)), found.get("preemptionPolicy") or _POLICY
        if name in SYSTEM_CLASSES:
            return SYSTEM_CLASSES[name], _POLICY
        raise attrs.forbidden(f"no PriorityClass with name {name} was found")

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Allow one default class only."""
        if attrs.group_resource != _CLASSES or not (attrs.object or {}).get("globalDefault"):
            return
        default = self._default_class()
        if default is None:
            return
        name = default["metadata"]["name"]
        if attrs.operation == CREATE or name != attrs.named():
            raise attrs.forbidden(f"PriorityClass {name} is already marked as default. Only one default can exist")
