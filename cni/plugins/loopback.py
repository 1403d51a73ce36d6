"""loopback: sets lo up in the container."""

from __future__ import annotations

from cni.errors import INTERNAL, CNIError
from linux import links, netns
from linux.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result

ABOUT = "sets the loopback interface up"
_NAME = "lo"


def add(call: Call) -> Result:
    """Set lo up; the result is that of the plugin before, or lo's addresses."""
    with netns.entered(call.netns), Netlink() as nl:
        link = links.get(_NAME, nl)
        nl.send(links.up(link.index))
        found = links.addresses_of(link.index, nl)
    if call.previous is not None:
        return call.previous
    return {
        "interfaces": [{"name": _NAME, "mac": link.mac, "sandbox": call.netns}],
        "ips": [{"interface": 0, "address": one.cidr} for one in found],
        "dns": {},
    }


def delete(call: Call) -> None:
    """Set lo down; passes where the namespace has gone."""
    if not call.netns:
        return
    try:
        with netns.entered(call.netns), Netlink() as nl:
            nl.send(links.down(links.get(_NAME, nl).index))
    except FileNotFoundError:
        return


def check(call: Call) -> None:
    """Raise unless lo is up."""
    with netns.entered(call.netns), Netlink() as nl:
        if not links.get(_NAME, nl).up:
            raise CNIError(INTERNAL, "loopback interface is down")
