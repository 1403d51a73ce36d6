"""Gives each node its share of --cluster-cidr (`spec.podCIDR`), with --allocate-node-cidrs.

What is given stands on the Nodes themselves; a share is free again when its Node has gone.
"""

import ipaddress
from collections.abc import Iterable

from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, is_deleting, name
from controllers.context import Context
from controllers.options import Options

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NoShareError(Exception):
    """No share of a range is free."""


def ranges(text: str) -> list[Network]:
    """The networks of a list such as `10.244.0.0/16,fd00::/48`."""
    return [ipaddress.ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip()]


def share(whole: Network, mask: int, taken: Iterable[Network]) -> Network:
    """The first share that is free.

    Args:
        whole: The cluster's range.
        mask: The length of a share's prefix.
        taken: Networks that it must not touch.

    Raises:
        NoShareError: if there is none.
    """
    others = [other for other in taken if other.version == whole.version]
    for candidate in whole.subnets(new_prefix=max(mask, whole.prefixlen)):
        if not any(candidate.overlaps(other) for other in others):
            return candidate
    raise NoShareError(f"no free /{mask} in {whole}")


def masks(options: Options) -> dict[int, int]:
    """The lengths of shares' prefixes, by IP version."""
    given = options.node_cidr_mask_size
    return {
        4: options.node_cidr_mask_size_ipv4 or given or 24,
        6: options.node_cidr_mask_size_ipv6 or given or 64,
    }


def new(context: Context) -> Controller:
    """Wire the controller."""
    nodes = context.informers.informer("nodes")
    recorder = context.recorder("cidrAllocator")
    whole = ranges(context.options.cluster_cidr)
    services = ranges(context.options.service_cluster_ip_range)
    lengths = masks(context.options)
    # What the cache of nodes may not show yet.
    just_given: dict[str, list[Network]] = {}

    async def reconcile(key: str) -> None:
        node = nodes.store.get_key(key)
        if node is None or _given(node):
            just_given.pop(key, None)
            return
        if is_deleting(node):
            return
        shown = [one for other in nodes.store.list() for one in _given(other)]
        taken = [*services, *shown, *(one for given in just_given.values() for one in given)]
        try:
            found = [share(one, lengths[one.version], taken) for one in whole]
        except NoShareError:
            text = f"Node {name(node)} status is now: CIDRNotAvailable"
            recorder.event({**node, "apiVersion": "v1", "kind": "Node"}, "Normal", "CIDRNotAvailable", text)
            raise
        just_given[key] = found
        listed = [str(one) for one in found]
        await context.client.patch("nodes", key, {"spec": {"podCIDR": listed[0], "podCIDRs": listed}})

    controller = Controller("node-ipam-controller", reconcile, workers=1)
    controller.watch(nodes)
    return controller


def _given(node: Obj) -> list[Network]:
    spec = node.get("spec") or {}
    listed = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return [ipaddress.ip_network(one, strict=False) for one in listed]
