"""The table of volume kinds: the field of the volume source, upstream's plugin name, and what sets it up."""

from __future__ import annotations

from typing import Any

from kubelet.volumes import claim, config_map, downward_api, empty_dir, host_path, image, projected, secret
from kubelet.volumes.source import Setup

Obj = dict[str, Any]

KINDS: dict[str, tuple[str, Setup]] = {
    "configMap": ("configmap", config_map.set_up),
    "downwardAPI": ("downward-api", downward_api.set_up),
    "emptyDir": ("empty-dir", empty_dir.set_up),
    "ephemeral": ("ephemeral", claim.set_up),
    "hostPath": ("host-path", host_path.set_up),
    "image": ("image", image.set_up),
    "persistentVolumeClaim": ("persistent-volume-claim", claim.set_up),
    "projected": ("projected", projected.set_up),
    "secret": ("secret", secret.set_up),
}

REFRESHED = frozenset({"configMap", "downwardAPI", "projected", "secret"})
"""Kinds whose content follows the API."""


def kind_of(volume: Obj) -> str | None:
    """The field that says what a volume is; None if this kubelet has no such kind."""
    return next((key for key in KINDS if volume.get(key) is not None), None)
