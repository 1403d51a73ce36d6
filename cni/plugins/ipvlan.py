"""ipvlan: gives a container a link of its own that shares the MAC address of a link of the host."""

from __future__ import annotations

from cni import delegate
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.plugins import virtual_link
from linux.netlink import u16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result

ABOUT = "gives containers an ipvlan link"
KIND = "ipvlan"
MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IFLA_IPVLAN_MODE = 1


def link_data(call: Call) -> bytes:
    """The kernel's options of the link."""
    mode = call.text("mode") or "l2"
    if mode not in MODES:
        raise CNIError(INVALID_CONFIG, f'unknown ipvlan mode: "{mode}"')
    return u16(_IFLA_IPVLAN_MODE, MODES[mode])


def add(call: Call) -> Result:
    """Make the link; without an IPAM plugin it gets the addresses that the plugin before has got."""
    data = link_data(call)
    if delegate.ipam_type(call):
        return virtual_link.add(call, KIND, data)
    if call.previous is None or not call.previous.get("ips"):
        raise CNIError(INVALID_CONFIG, "ipvlan: an IPAM plugin is required")
    return virtual_link.add(call, KIND, data, given=call.previous)


def delete(call: Call) -> None:
    """Remove the link; passes where it has gone."""
    virtual_link.delete(call)


def check(call: Call) -> None:
    """Raise unless all is as ADD left it."""
    link = virtual_link.check(call, KIND)
    mode = int.from_bytes(link.info.get(_IFLA_IPVLAN_MODE, b""), "little")
    if mode != MODES[call.text("mode") or "l2"]:
        raise CNIError(INTERNAL, f"container ipvlan mode {mode} does not match the configuration")


def gc(call: Call) -> None:
    """Let the IPAM plugin free the addresses of attachments that are no more."""
    delegate.ipam_pass(call)


status = virtual_link.status
