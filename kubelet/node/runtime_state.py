"""What the runtime says about itself, for the Node object: readiness, handlers, features, images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from component.clock import Clock
from kubelet.node.status import image_list
from kubelet.runtime.client import CRIClient, RuntimeServiceError

Obj = dict[str, Any]

IMAGES_EVERY = 60.0


@dataclass(slots=True)
class RuntimeState:
    """Asked for each node status; images less often, as listing them is dear."""

    client: CRIClient
    clock: Clock
    version: str = ""
    images: tuple[Obj, ...] = ()
    _images_at: float = float("-inf")

    async def look(self) -> tuple[str, tuple[Obj, ...], Obj]:
        """(why not ready, handlers, features)."""
        try:
            if not self.version:
                version = await self.client.version()
                self.version = f"{version.runtime_name}://{version.runtime_version}"
            status = await self.client.status()
        except RuntimeServiceError as error:
            return f"container runtime is down: {error.message}", (), {}
        await self._refresh_images()
        problems = []
        for condition in status.status.conditions:
            if condition.type in {"RuntimeReady", "NetworkReady"} and not condition.status:
                what = "runtime" if condition.type == "RuntimeReady" else "runtime network"
                title = "container runtime is down" if what == "runtime" else "container runtime network not ready"
                problems.append(
                    f"{title}: {condition.type}=false reason:{condition.reason} message:{condition.message}"
                )
        handlers = tuple(_handler(h) for h in status.runtime_handlers)
        features = {"supplementalGroupsPolicy": bool(status.features.supplemental_groups_policy)}
        return "; ".join(problems), handlers, features

    async def _refresh_images(self) -> None:
        now = self.clock.monotonic()
        if now - self._images_at < IMAGES_EVERY:
            return
        self._images_at = now
        try:
            self.images = image_list(await self.client.list_images())
        except RuntimeServiceError:
            return


def _handler(handler: Any) -> Obj:
    return {
        "name": handler.name,
        "features": {
            "recursiveReadOnlyMounts": bool(handler.features.recursive_read_only_mounts),
            "userNamespaces": bool(handler.features.user_namespaces),
        },
    }
