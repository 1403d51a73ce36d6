"""Events about pods and their containers, with upstream's involvedObject.fieldPath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimachinery.client.events import EventRecorder
from kubelet.pod_actions import Kind

Obj = dict[str, Any]
Emit = Callable[[str, str, str], None]


class EventReporter:
    """Hands out functions that report about one pod or container."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder

    def pod(self, pod: Obj) -> Emit:
        """Events about the pod."""
        return lambda kind, reason, message: self._recorder.event(_typed(pod), kind, reason, message)

    def container(self, pod: Obj, name: str, kind: Kind) -> Emit:
        """Events about one of its containers."""
        path = f"spec.{kind.value}{{{name}}}"

        def emit(level: str, reason: str, message: str) -> None:
            self._recorder.event(_typed(pod), level, reason, message, field_path=path)

        return emit


def _typed(pod: Obj) -> Obj:
    return pod if "kind" in pod else {"apiVersion": "v1", "kind": "Pod", **pod}
