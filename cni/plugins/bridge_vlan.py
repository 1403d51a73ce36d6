"""VLANs of a bridge's ports (`vlan`, `vlanTrunk` and `preserveDefaultVlan` of bridge).

A container's port carries its VLAN untagged and those of the trunk tagged. The default VLAN, which the bridge gives to
each new port, stays beside them unless the configuration says otherwise. A VLAN's gateway address is on a link of its
own, BRIDGE.VLAN: a veth pair whose other end is a port in that VLAN.
"""

from __future__ import annotations

import errno

from cni.attachment import random_link_name
from cni.errors import INVALID_CONFIG, CNIError
from cni.plugins import veth
from linux import links
from linux.netlink import Netlink, u8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from linux.netlink import Message

_MAX = 4094
_IFLA_BR_VLAN_FILTERING, _IFLA_BR_VLAN_DEFAULT_PVID = 7, 39


class Vlans:
    """What the configuration says about VLANs, checked."""

    __slots__ = ("keep_default", "own", "trunk")

    def __init__(self, call: Call) -> None:
        self.own = call.number("vlan")
        if not 0 <= self.own <= _MAX:
            raise CNIError(INVALID_CONFIG, f"invalid VLAN ID {self.own} (must be between 0 and {_MAX})")
        self.trunk = _trunk(call.config.get("vlanTrunk") or [])
        self.keep_default = call.flag("preserveDefaultVlan", default=True)

    def __bool__(self) -> bool:
        """Whether the bridge must tell VLANs apart."""
        return bool(self.own or self.trunk)

    @property
    def bridge_options(self) -> bytes:
        """The options of a bridge that is made for them."""
        return u8(_IFLA_BR_VLAN_FILTERING, 1) if self else b""

    def switch_on(self, bridge: links.Link) -> list[Message]:
        """Let a bridge that is there already tell VLANs apart."""
        if not self or bridge.info.get(_IFLA_BR_VLAN_FILTERING, b"\0")[0]:
            return []
        return [
            links.change(bridge.index, "enable VLAN filtering of bridge", links.info("bridge", self.bridge_options))
        ]

    def of_port(self, bridge: links.Link, port: int) -> list[Message]:
        """Let a container's port carry them."""
        batch = self._leave_default(bridge, port)
        if self.own:
            batch.append(links.bridge_vlan(port, self.own))
        tagged = (one for one in self.trunk if one != self.own)
        return batch + [links.bridge_vlan(port, one, pvid=False, untagged=False) for one in tagged]

    def _leave_default(self, bridge: links.Link, port: int) -> list[Message]:
        default = int.from_bytes(bridge.info.get(_IFLA_BR_VLAN_DEFAULT_PVID, b""), "little")
        if not self or self.keep_default or not default:
            return []
        return [links.remove_bridge_vlan(port, default)]

    def gateway_link(self, bridge: links.Link, mtu: int, host: Netlink) -> links.Link:
        """The link that carries the gateway's address: the bridge itself, or that of the containers' VLAN."""
        if not self.own:
            return bridge
        name = f"{bridge.name}.{self.own}"
        if links.find(name, host) is None:
            pair = links.new_veth(random_link_name(), name, mtu=mtu, master=bridge.index, up=True)
            pair.ignore = (errno.EEXIST,)  # somebody else was faster
            host.send(pair)
            veth.refuse_routes(name)
        link = links.get(name, host)
        # Each time, since whoever made the pair may have been killed before it came to this.
        batch = [*self._leave_default(bridge, link.parent), links.bridge_vlan(link.parent, self.own)]
        host.send(*batch, links.up(link.index))
        return link


def _trunk(raw: Any) -> list[int]:
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise CNIError(INVALID_CONFIG, "failed to load netconf: vlanTrunk is not a list of objects")
    found: set[int] = set()
    for entry in raw:
        low, high, one = (_number(entry, key) for key in ("minID", "maxID", "id"))
        if (low is None) != (high is None):
            raise CNIError(INVALID_CONFIG, "minID and maxID should be configured simultaneously")
        if low is not None and high is not None:
            if not 0 < low <= high <= _MAX:
                raise CNIError(INVALID_CONFIG, f"incorrect trunk range {low}-{high}")
            found.update(range(low, high + 1))
        if one is not None:
            if not 0 < one <= _MAX:
                raise CNIError(INVALID_CONFIG, f"incorrect trunk id {one}")
            found.add(one)
    return sorted(found)


def _number(entry: dict[str, Any], key: str) -> int | None:
    value = entry.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise CNIError(INVALID_CONFIG, f"failed to load netconf: {key} of vlanTrunk is not an integer")
    return value
