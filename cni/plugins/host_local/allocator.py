"""Gives an attachment one address from each range set."""

from __future__ import annotations

from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.plugins.host_local.disk_store import DiskStore
    from cni.plugins.host_local.ranges import Range, RangeSet

    Requested = list[bytes]


def allocate(
    store: DiskStore, sets: list[RangeSet], container_id: str, ifname: str, requested: Requested
) -> list[dict[str, str]]:
    """Reserve an address in each range set; those asked for are taken from the set that holds them.

    Raises:
        CNIError: none is left, one that was asked for is taken or in no range, or the attachment holds one already.
            Nothing new is reserved then.
    """
    held = set(store.held_by(container_id, ifname))
    wanted = list(requested)
    for one_set in sets:
        for address in held:
            if one_set.range_of(addresses.pack(address)) is not None:
                raise CNIError(
                    INTERNAL,
                    f"failed to allocate for range {sets.index(one_set)}: {address} has been allocated to "
                    f"{container_id}, duplicate allocation is not allowed",
                )
    given = []
    try:
        for index, one_set in enumerate(sets):
            mine = next((one for one in wanted if one_set.range_of(one) is not None), None)
            if mine is not None:
                wanted.remove(mine)
            given.append(_allocate_one(store, one_set, index, container_id, ifname, mine))
        if wanted:
            listed = ", ".join(addresses.unpack(one) for one in wanted)
            raise CNIError(INVALID_CONFIG, f"failed to allocate all requested IPs: {listed}")
    except CNIError:
        store.release(container_id, ifname)
        raise
    return given


def _allocate_one(
    store: DiskStore, one_set: RangeSet, index: int, container_id: str, ifname: str, requested: bytes | None
) -> dict[str, str]:
    if requested is not None:
        one = one_set.range_of(requested)
        assert one is not None
        number = addresses.to_int(requested)
        if number == one.gateway:
            raise CNIError(
                INTERNAL,
                f"failed to allocate for range {index}: requested ip {one.text(number)} is subnet's gateway",
            )
        if not store.reserve(container_id, ifname, one.text(number), index):
            raise CNIError(
                INTERNAL,
                f"failed to allocate for range {index}: requested IP address {one.text(number)} is not available in "
                f"range set {one_set}",
            )
        return _entry(one, number)
    last = store.last_reserved(index)
    try:
        start = addresses.pack(last) if last else None
    except ValueError:
        start = None
    for one, number in one_set.candidates(start):
        if store.reserve(container_id, ifname, one.text(number), index):
            return _entry(one, number)
    raise CNIError(INTERNAL, f"failed to allocate for range {index}: no IP addresses available in range set: {one_set}")


def _entry(one: Range, number: int) -> dict[str, str]:
    return {"address": one.cidr(number), "gateway": one.text(one.gateway)}
