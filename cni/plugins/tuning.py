"""tuning: changes kernel parameters and properties of the interface that the plugins before it have made.

The interface's old properties are kept in a file until DEL, which puts them back as far as it can.
"""

from __future__ import annotations

import os

from cni import documents, state_file
from cni.config import check_args
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.plugins import veth
from linux import links, netns, sysctl
from linux.netlink import Netlink, u32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.result import Result
    from linux.netlink import Message

ABOUT = "tunes the interface and the network parameters of containers"
SHAPE = {"args": {"cni": {"sysctl": {}, "mac": str, "mtu": int, "promisc": bool, "allmulti": bool, "txQLen": int}}}
_DATA_DIR = "/run/cni/tuning"
_ALLOW_LIST = "/etc/cni/tuning/allowlist.conf"
_ARGUMENTS = ("promisc", "mtu", "allmulti", "txQLen")
_FLAGS = {"promisc": links.IFF_PROMISC, "allmulti": links.IFF_ALLMULTI}


def _asked(call: Call) -> Call:
    """The call with what `args.cni` and the runtime say in place of what the configuration says."""
    check_args(call.args)
    config, given = dict(call.config), call.cni_args
    config.update((key, given[key]) for key in _ARGUMENTS if given.get(key) is not None)
    config["mac"] = given.get("mac") or call.mac() or call.text("mac")
    if given.get("sysctl"):
        config["sysctl"] = {**call.mapping("sysctl"), **given["sysctl"]}
    return call.with_config(config)


def _parameters(call: Call) -> dict[str, str]:
    """Kernel parameters by path (`net/ipv4/…`), checked.

    Raises:
        CNIError: one is not of the network, or is named twice in different spellings, or is not allowed.
    """
    found: dict[str, str] = {}
    patterns = _allow_list()
    for key, value in call.mapping("sysctl").items():
        name = key if "/" in key else key.replace(".", "/")
        name = os.path.normpath(name.replace("IFNAME", call.ifname))
        if not name.startswith("net/"):
            raise CNIError(INVALID_CONFIG, f'invalid net sysctl key: "{key}"')
        if name in found:
            raise CNIError(INVALID_CONFIG, f"duplicate sysctl key: {key}")
        if patterns is not None and not _allowed(key, patterns):
            allowed = " ".join(patterns)
            raise CNIError(
                INVALID_CONFIG,
                f"Sysctl {key} is not allowed. Only the following sysctls are allowed: [{allowed}] ({_ALLOW_LIST})",
            )
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise CNIError(INVALID_CONFIG, f'value of sysctl key "{key}" is not a string')
        found[name] = str(value)
    return found


def _allow_list() -> list[str] | None:
    try:
        with open(_ALLOW_LIST, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        return None


def _allowed(key: str, patterns: list[str]) -> bool:
    import re

    for pattern in patterns:
        try:
            if re.search(pattern, key):
                return True
        except re.error as error:
            raise CNIError(INVALID_CONFIG, f'"{pattern}" in {_ALLOW_LIST} is no regular expression: {error}') from error
    return False


class Wanted:
    """The properties of the interface that are to change; None where one stays."""

    __slots__ = ("allmulti", "mac", "mtu", "promisc", "txqlen")

    def __init__(self, call: Call) -> None:
        self.mac = veth.check_mac(call.text("mac")) or None
        self.mtu = call.number("mtu") or None
        self.promisc = True if call.flag("promisc") else None
        self.allmulti = call.flag("allmulti") if call.config.get("allmulti") is not None else None
        self.txqlen = call.number("txQLen") if call.config.get("txQLen") is not None else None

    @property
    def any(self) -> bool:
        """Whether anything is to change."""
        return any(value is not None for value in (self.mac, self.mtu, self.promisc, self.allmulti, self.txqlen))


def _path(call: Call) -> str:
    return f"{call.text('dataDir') or _DATA_DIR}/{call.container_id}_{call.ifname}.json"


def add(call: Call) -> Result:
    """Set parameters and properties."""
    answer, asked = dict(call.require_previous()), _asked(call)
    parameters, wanted = _parameters(asked), Wanted(asked)
    with netns.entered(call.netns):
        inside = Netlink()
        for name, value in parameters.items():
            _set(name, value)
    with inside:
        if wanted.any:
            link = links.get(call.ifname, inside)
            _backup(call, link, wanted)
            inside.send(*_changes(link, wanted))
            _update(answer, call, wanted)
    return answer


def _set(name: str, value: str) -> None:
    try:
        sysctl.write(name, value)
    except OSError as error:
        raise CNIError(INTERNAL, f"failed to set {name} to {value}: {error.strerror}") from error


def _changes(link: links.Link, wanted: Wanted) -> list[Message]:
    batch = []
    if wanted.mac is not None:
        # Not every driver changes the address of a link that is up.
        was_up = link.up
        if was_up:
            batch.append(links.down(link.index))
        batch.append(links.change(link.index, f"set MAC address {wanted.mac}", links.mac_attribute(wanted.mac)))
        if was_up:
            batch.append(links.up(link.index))
    if wanted.mtu is not None:
        batch.append(links.change(link.index, f"set MTU {wanted.mtu}", u32(links.IFLA_MTU, wanted.mtu)))
    if wanted.txqlen is not None:
        extra = u32(links.IFLA_TXQLEN, wanted.txqlen)
        batch.append(links.change(link.index, f"set transmit queue length {wanted.txqlen}", extra))
    for key, bit in _FLAGS.items():
        value = getattr(wanted, key)
        if value is not None:
            batch.append(links.change(link.index, f"set {key}", flags=bit if value else 0, mask=bit))
    return batch


def _update(answer: Result, call: Call, wanted: Wanted) -> None:
    interfaces = [dict(one) for one in answer.get("interfaces") or []]
    for one in interfaces:
        if one.get("name") == call.ifname and one.get("sandbox"):
            if wanted.mac is not None:
                one["mac"] = wanted.mac
            if wanted.mtu is not None:
                one["mtu"] = wanted.mtu
    if interfaces:
        answer["interfaces"] = interfaces


def _backup(call: Call, link: links.Link, wanted: Wanted) -> None:
    old: dict[str, Any] = {"network": call.name}
    if wanted.mac is not None:
        old["mac"] = link.mac
    if wanted.mtu is not None:
        old["mtu"] = link.mtu
    if wanted.txqlen is not None:
        old["txQLen"] = link.txqlen
    for key, bit in _FLAGS.items():
        if getattr(wanted, key) is not None:
            old[key] = bool(link.flags & bit)
    state_file.save(_path(call), documents.dumps(old).encode())


def delete(call: Call) -> None:
    """Put the old properties back where the interface is still there, and forget them."""
    path = _path(call)
    try:
        with open(path, "rb") as file:
            old = documents.loads(file.read())
    except (OSError, ValueError):
        old = {}
    if old and call.netns:
        try:
            _restore(call, old)
        except (OSError, CNIError):
            old = {}  # as the reference does: DEL must pass, and the interface is about to go anyhow
    state_file.remove(path)


def _restore(call: Call, old: dict[str, Any]) -> None:
    wanted = Wanted(call.with_config({}))
    wanted.mac, wanted.mtu, wanted.txqlen = old.get("mac"), old.get("mtu"), old.get("txQLen")
    wanted.promisc, wanted.allmulti = old.get("promisc"), old.get("allmulti")
    with netns.entered(call.netns):
        inside = Netlink()
    with inside:
        link = links.find(call.ifname, inside)
        if link is not None:
            inside.send(*_changes(link, wanted))


def check(call: Call) -> None:
    """Raise unless parameters and properties are as asked."""
    call.require_previous()
    asked = _asked(call)
    parameters, wanted = _parameters(asked), Wanted(asked)
    with netns.entered(call.netns):
        inside = Netlink()
        for name, value in parameters.items():
            now = sysctl.read(name)
            if now.split() != value.split():
                words = f"configured value of {name} is {value}, current value is {now}"
                raise CNIError(INTERNAL, f"Error: Tuning {words}")
    with inside:
        link = links.get(call.ifname, inside)
    rows: tuple[tuple[str, object, object], ...] = (
        ("MAC address", wanted.mac.lower() if wanted.mac else None, link.mac),
        ("MTU", wanted.mtu, link.mtu),
        ("transmit queue length", wanted.txqlen, link.txqlen),
        ("promiscuous mode", bool(wanted.promisc), bool(link.flags & links.IFF_PROMISC)),
        ("all-multicast mode", wanted.allmulti, bool(link.flags & links.IFF_ALLMULTI)),
    )
    for what, said, have in rows:
        if said is not None and said != have:
            words = f"configured {what} of {call.ifname} is {said}, current value is {have}"
            raise CNIError(INTERNAL, f"Error: Tuning {words}")


def gc(call: Call) -> None:
    """Forget what was kept for attachments of this network that are no more."""
    from cni.attachment import valid_attachments

    keep = {f"{container_id}_{ifname}.json" for container_id, ifname in valid_attachments(call.config)}
    directory = os.path.dirname(_path(call))
    if not os.path.isdir(directory):
        return
    for name in os.listdir(directory):
        whole = name.removesuffix(state_file.NEW)
        if whole.endswith(".json") and whole not in keep and _network_of(f"{directory}/{name}") == call.name:
            state_file.remove(f"{directory}/{whole}")


def _network_of(path: str) -> str | None:
    """Whose file it is; None where it doesn't say (the reference's do not, nor does one that was never finished)."""
    try:
        with open(path, "rb") as file:
            kept = documents.loads(file.read())
    except (OSError, ValueError):
        return None
    return kept.get("network") if isinstance(kept, dict) else None


def status(call: Call) -> None:
    """Raise unless the parameters and properties are such as may be set."""
    asked = _asked(call)
    _parameters(asked)
    Wanted(asked)
