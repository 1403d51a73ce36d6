"""DefaultTolerationSeconds: Pods stay five minutes on a node that went away, unless they say otherwise."""

from __future__ import annotations

from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_KEYS: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _tolerates(toleration: Obj, key: str) -> bool:
    mine = toleration.get("key", "")
    effect = toleration.get("effect", "")
    return mine in (key, "") and effect in ("NoExecute", "")


class DefaultTolerationSeconds(OnResources):
    """The plugin."""

    name = "DefaultTolerationSeconds"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        self._seconds = {
            _KEYS[0]: int(getattr(services.options, "default_not_ready_toleration_seconds", 300)),
            _KEYS[1]: int(getattr(services.options, "default_unreachable_toleration_seconds", 300)),
        }

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Add the two tolerations where none covers them."""
        pod: Any = attrs.object
        tolerations = pod["spec"].get("tolerations") or []
        missing = [key for key in _KEYS if not any(_tolerates(toleration, key) for toleration in tolerations)]
        if missing:
            pod["spec"]["tolerations"] = [
                *tolerations,
                *(
                    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": self._seconds[key]}
                    for key in missing
                ),
            ]
