"""macvlan: gives a container a link of its own, with a MAC address of its own, on a link of the host."""

from __future__ import annotations

from cni import delegate
from cni.config import check_args
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.plugins import veth, virtual_link
from linux.netlink import u32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result

ABOUT = "gives containers a macvlan link"
KIND = "macvlan"
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IFLA_MACVLAN_MODE, _IFLA_MACVLAN_BC_QUEUE_LEN = 1, 7


def link_data(call: Call) -> bytes:
    """The kernel's options of the link."""
    mode = call.text("mode") or "bridge"
    if mode not in MODES:
        raise CNIError(INVALID_CONFIG, f'unknown macvlan mode: "{mode}"')
    data = u32(_IFLA_MACVLAN_MODE, MODES[mode])
    if call.number("bcqueuelen"):
        data += u32(_IFLA_MACVLAN_BC_QUEUE_LEN, call.number("bcqueuelen"))
    return data


def add(call: Call) -> Result:
    """Make the link."""
    check_args(call.args)
    mac = veth.check_mac(call.mac() or call.text("mac"))
    return virtual_link.add(call, KIND, link_data(call), mac=mac)


def delete(call: Call) -> None:
    """Remove the link; passes where it has gone."""
    virtual_link.delete(call)


def check(call: Call) -> None:
    """Raise unless all is as ADD left it."""
    link = virtual_link.check(call, KIND)
    mode = int.from_bytes(link.info.get(_IFLA_MACVLAN_MODE, b""), "little")
    if mode != MODES[call.text("mode") or "bridge"]:
        raise CNIError(INTERNAL, f"container macvlan mode {mode} does not match the configuration")


def gc(call: Call) -> None:
    """Let the IPAM plugin free the addresses of attachments that are no more."""
    delegate.ipam_pass(call)


status = virtual_link.status
