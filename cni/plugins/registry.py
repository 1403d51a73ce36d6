"""The table of our plugins: type to module.

A module has add, delete, check and, where it means something, gc and status; ABOUT is its line for `--help`-like calls,
SINCE the version of the specification that it begins with, where that is not the first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

PLUGINS: dict[str, str] = {
    "bridge": "cni.plugins.bridge",
    "ptp": "cni.plugins.ptp",
    "macvlan": "cni.plugins.macvlan",
    "ipvlan": "cni.plugins.ipvlan",
    "host-device": "cni.plugins.host_device",
    "loopback": "cni.plugins.loopback",
    "host-local": "cni.plugins.host_local.plugin",
    "static": "cni.plugins.static",
    "dhcp": "cni.plugins.dhcp.plugin",
    "portmap": "cni.plugins.portmap.plugin",
    "bandwidth": "cni.plugins.bandwidth",
    "tuning": "cni.plugins.tuning",
    "flannel": "cni.plugins.flannel",
    "sample": "cni.plugins.sample",
}


def load(kind: str) -> ModuleType | None:
    """The module of a plugin; None where it is not ours."""
    module = PLUGINS.get(kind)
    if module is None:
        return None
    import sys

    __import__(module)  # importlib costs a fresh interpreter a millisecond
    return sys.modules[module]
