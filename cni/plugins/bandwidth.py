"""bandwidth: limits what a container receives and sends, in bits a second.

What it receives is what the host's end of its veth pair sends: a token bucket there. What it sends arrives at that
end, and is passed through an ifb link of its own, with a token bucket on it. Where only some subnets are meant
(`shapedSubnets`, or all but `unshapedSubnets`), a class takes the place of the bucket, and filters lead there.
"""

from __future__ import annotations

import errno

from cni.attachment import digest
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from linux import addresses, links, netns, tc
from linux.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.result import Result
    from linux.netlink import Message

ABOUT = "limits the bandwidth of containers"
SINCE = "0.3.0"  # it can only be chained
SHAPE = {"shapedSubnets": [str], "unshapedSubnets": [str]}
_MAX_BURST = 0xFFFFFFFF // 8 * 8
_KEYS = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
_SUBNET_KEYS = ("shapedSubnets", "unshapedSubnets")
_PREFIX = "bwp"


class Limits:
    """What is asked; a rate of 0 means no limit."""

    __slots__ = ("egress_burst", "egress_rate", "ingress_burst", "ingress_rate", "only_them", "subnets")

    def __init__(self, raw: dict[str, Any]) -> None:
        shaped, unshaped = (_subnets(raw, key) for key in ("shapedSubnets", "unshapedSubnets"))
        if shaped and unshaped:
            raise CNIError(INVALID_CONFIG, "unshapedSubnets and shapedSubnets cannot be both specified")
        self.subnets, self.only_them = shaped or unshaped, bool(shaped)
        values = []
        for key in _KEYS:
            value = raw.get(key) or 0
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise CNIError(INVALID_CONFIG, f"bandwidth: {key} is no number of bits")
            values.append(value)
        self.ingress_rate, self.ingress_burst, self.egress_rate, self.egress_burst = values
        for rate, burst in ((self.ingress_rate, self.ingress_burst), (self.egress_rate, self.egress_burst)):
            if bool(rate) != bool(burst):
                raise CNIError(INVALID_CONFIG, "if rate is set, burst must also be set, and the other way round")
            if burst > _MAX_BURST:
                raise CNIError(INVALID_CONFIG, f"burst cannot be more than {_MAX_BURST} bits")


def _subnets(raw: dict[str, Any], key: str) -> list[str]:
    found = []
    for word in raw.get(key) or []:
        try:
            found.append(addresses.network_text(str(word)))
        except ValueError as error:
            raise CNIError(INVALID_CONFIG, f'bad subnet "{word}" provided in {key}: {error}') from error
    return found


def _limits(call: Call) -> Limits:
    """What the runtime asks for (a pod's annotations, as a rule), else what the configuration says."""
    asked = call.runtime_config.get("bandwidth")
    if not asked:
        return Limits(call.config)
    if not any(asked.get(key) for key in _SUBNET_KEYS):
        # Which subnets are meant is the network's business: a pod says how much.
        asked = {**asked, **{key: call.config.get(key) for key in _SUBNET_KEYS}}
    return Limits(asked)


def _limit(index: int, rate: int, burst: int, limits: Limits) -> list[Message]:
    if limits.subnets:
        from linux import htb

        return htb.limits(index, rate, burst, limits.subnets, only_them=limits.only_them)
    return [tc.token_bucket(index, rate, burst)]


def ifb_name(call: Call) -> str:
    """The name of an attachment's ifb link."""
    return _PREFIX + digest(call.name, call.container_id, call.ifname, length=12)


def _host_end(call: Call, host: Netlink) -> links.Link:
    with netns.entered(call.netns):
        inside = Netlink()
    with inside:
        inner = links.get(call.ifname, inside)
    outer = links.by_index(inner.parent, host) if inner.kind == "veth" else None
    names = [one.get("name") for one in call.require_previous().get("interfaces") or [] if not one.get("sandbox")]
    if outer is None or outer.name not in names:
        raise CNIError(INTERNAL, f"no veth peer of container interface {call.ifname} found in host ns")
    return outer


def add(call: Call) -> Result:
    """Limit the container."""
    answer = dict(call.require_previous())
    limits = _limits(call)
    if not limits.ingress_rate and not limits.egress_rate:
        return answer
    with Netlink() as host:
        outer = _host_end(call, host)
        if limits.ingress_rate:
            host.send(*_limit(outer.index, limits.ingress_rate, limits.ingress_burst, limits))
        if limits.egress_rate:
            ifb = _limit_egress(call, limits, outer, host)
            interfaces = list(answer.get("interfaces") or [])
            answer["interfaces"] = [*interfaces, {"name": ifb.name, "mac": ifb.mac}]
    return answer


def _limit_egress(call: Call, limits: Limits, outer: links.Link, host: Netlink) -> links.Link:
    name = ifb_name(call)
    make = tc.new_ifb(name, outer.mtu)
    make.ignore = (errno.EEXIST,)
    # The alias tells GC whose it is: in one call, so that nobody is killed between making and naming it.
    host.send(make, links.name_alias(name, call.name))
    ifb = links.get(name, host)
    try:
        host.send(tc.ingress(outer.index))
        limit = _limit(ifb.index, limits.egress_rate, limits.egress_burst, limits)
        host.send(tc.redirect(outer.index, ifb.index), *limit)
    except OSError:
        host.send(links.remove(ifb.index))
        raise
    return ifb


def delete(call: Call) -> None:
    """Remove the ifb link; all else goes with the container's veth pair."""
    with Netlink() as host:
        ifb = links.find(ifb_name(call), host)
        if ifb is not None:
            host.send(links.remove(ifb.index))


def check(call: Call) -> None:
    """Raise unless the limits are in place."""
    limits = _limits(call)
    with Netlink() as host:
        outer = _host_end(call, host)
        if limits.ingress_rate:
            _require(outer, limits.ingress_rate, limits.ingress_burst, limits, host)
        if limits.egress_rate:
            ifb = links.find(ifb_name(call), host)
            if ifb is None:
                raise CNIError(INTERNAL, f"ifb link {ifb_name(call)} is not there")
            _require(ifb, limits.egress_rate, limits.egress_burst, limits, host)
            if not any(one.kind == "ingress" for one in tc.qdiscs(outer.index, host)):
                raise CNIError(INTERNAL, f"traffic of {outer.name} is not redirected")


def _require(link: links.Link, rate: int, burst: int, limits: Limits, host: Netlink) -> None:
    if limits.subnets:
        from linux import htb

        there = rate // 8 * 8 in htb.rates(link.index, host)
    else:
        there = any(one.limits_to(rate, burst) for one in tc.qdiscs(link.index, host))
    if not there:
        raise CNIError(INTERNAL, f"{link.name} has no limit of {rate} bits a second with bursts of {burst} bits")


def gc(call: Call) -> None:
    """Remove the ifb links of this network (their alias says so) whose containers are no more."""
    from cni.attachment import valid_attachments

    keep = {
        _PREFIX + digest(call.name, container_id, ifname, length=12)
        for container_id, ifname in valid_attachments(call.config)
    }
    with Netlink() as host:
        for link in links.list_links(host):
            mine = link.alias == call.name and link.kind == "ifb" and link.name.startswith(_PREFIX)
            if mine and link.name not in keep:
                host.send(links.remove(link.index))


def status(call: Call) -> None:
    """Raise unless the limits can be understood."""
    _limits(call)
