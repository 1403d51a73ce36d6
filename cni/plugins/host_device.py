"""host-device: moves a link of the host into a container, and back.

While it is away, its alias holds the name it had on the host. DEL gives it back under that name.
"""

from __future__ import annotations

import os

from cni import delegate
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.plugins import veth
from linux import links, netns
from linux.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cni.config import Call
    from cni.result import Result

ABOUT = "moves a link of the host into containers"
_KEYS = ("device", "hwaddr", "kernelpath", "pciBusID")
_PCI, _AUXILIARY = "/sys/bus/pci/devices", "/sys/bus/auxiliary/devices"
_USERSPACE_DRIVERS = ("vfio-pci", "uio_pci_generic", "igb_uio")


def _selector(call: Call) -> tuple[str, str]:
    """How the link is named, and its name: of several the first of the keys counts, as in the reference."""
    named = {key: call.text(key) for key in _KEYS}
    named["pciBusID"] = str(call.runtime_config.get("deviceID") or "") or named["pciBusID"]
    for key in _KEYS:
        if named[key]:
            return key, named[key]
    raise CNIError(
        INVALID_CONFIG,
        'specify either "device", "hwaddr", "kernelpath" or "pciBusID", or have the capability "deviceID"',
    )


def _uses_userspace_driver(call: Call) -> bool:
    """Whether the device is handled outside the kernel (DPDK): then there is no link to move."""
    key, address = _selector(call)
    if key != "pciBusID":
        return False
    try:
        return os.path.basename(os.readlink(f"{_PCI}/{address}/driver")) in _USERSPACE_DRIVERS
    except OSError:
        return False


def _find(call: Call, host: Netlink) -> links.Link:
    key, value = _selector(call)
    link = _BY_KEY[key](value, host)
    if link is None:
        raise CNIError(INTERNAL, f'failed to find host device: {key} "{value}"')
    return link


def _by_mac(value: str, host: Netlink) -> links.Link | None:
    wanted = links.mac_bytes(value)
    return next((one for one in links.list_links(host) if one.mac and links.mac_bytes(one.mac) == wanted), None)


def _by_kernel_path(value: str, host: Netlink) -> links.Link | None:
    if not value.startswith("/sys/devices/"):
        raise CNIError(INVALID_CONFIG, f'kernel device path "{value}" must be absolute and begin with /sys/devices/')
    try:
        names = os.listdir(f"{value}/net")
    except FileNotFoundError:
        names = [os.path.basename(value)]
    return links.find(names[0], host) if names else None


def _by_device_address(value: str, host: Netlink) -> links.Link | None:
    """The link of a device on the PCI or the auxiliary bus (the capability deviceID names either)."""
    if "/" in value:
        return None
    pci = f"{_PCI}/{value}"
    try:
        virtio = [f"{pci}/{name}/net" for name in sorted(os.listdir(pci)) if name.startswith("virtio")]
    except OSError:
        virtio = []
    for directory in (f"{pci}/net", *virtio, f"{_AUXILIARY}/{value}/net"):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        if names:
            return links.find(names[0], host)
    return None


_BY_KEY: dict[str, Callable[[str, Netlink], links.Link | None]] = {
    "device": links.find,
    "hwaddr": _by_mac,
    "kernelpath": _by_kernel_path,
    "pciBusID": _by_device_address,
}


def add(call: Call) -> Result:
    """Move the link in, and configure it where there is an IPAM plugin."""
    answer: Result = {"ips": [], "routes": [], "dns": call.mapping("dns")}
    if _uses_userspace_driver(call):
        if delegate.ipam_type(call):
            answer.update(delegate.ipam_add(call))
        return answer
    with Netlink() as host:
        link = _find(call, host)
        with netns.entered(call.netns):
            inside = Netlink()
        with inside:
            if links.find(call.ifname, inside) is not None:
                raise CNIError(INTERNAL, f'failed to move link: "{call.ifname}" already exists in the container')
            descriptor = os.open(call.netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                host.send(links.move(link.index, descriptor, call.ifname, alias=link.name))
            finally:
                os.close(descriptor)
            try:
                _configure(call, answer, inside)
            except BaseException:
                veth.undo(call, _move_back, *([delegate.ipam_delete] if answer["ips"] else []))
                raise
    return answer


def _configure(call: Call, answer: Result, inside: Netlink) -> None:
    link = links.get(call.ifname, inside)
    inside.send(links.up(link.index))
    answer["interfaces"] = [{"name": call.ifname, "mac": link.mac, "mtu": link.mtu, "sandbox": call.netns}]
    if not delegate.ipam_type(call):
        return
    answer.update({key: value for key, value in delegate.ipam_add(call).items() if value})
    for ip in answer["ips"]:
        ip["interface"] = 0
    with netns.entered(call.netns):
        if veth.has_ipv6(answer["ips"]):
            veth.allow_ipv6(call.ifname)
        veth.announce(call.ifname)
    veth.configure(inside, link.index, answer, call.ifname)


def delete(call: Call) -> None:
    """Give the addresses back, then the link."""
    delegate.ipam_delete(call)
    if call.netns and not _uses_userspace_driver(call):
        _move_back(call)


def _move_back(call: Call) -> None:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            with netns.entered(call.netns):
                inside = Netlink()
        except OSError:
            return  # with the namespace the kernel has given the link back (a real one) or removed it (a virtual one)
        with inside:
            link = links.find(call.ifname, inside)
            if link is None:
                return
            name = link.alias or call.ifname
            if links.link_exists(name):
                raise CNIError(INTERNAL, f'failed to restore "{call.ifname}" to original name "{name}": it is taken')
            inside.send(links.down(link.index), links.move(link.index, home, name, alias=""))
    finally:
        os.close(home)


def check(call: Call) -> None:
    """Raise unless the link is in the container as ADD left it."""
    previous = call.require_previous()
    if _uses_userspace_driver(call):
        return
    delegate.ipam_check(call)
    veth.check_interface(call.netns, call.ifname, previous, kind="")


def gc(call: Call) -> None:
    """Let the IPAM plugin free the addresses of attachments that are no more."""
    delegate.ipam_pass(call)


def status(call: Call) -> None:
    """Raise unless ADD could work."""
    _selector(call)
    delegate.ipam_pass(call)
