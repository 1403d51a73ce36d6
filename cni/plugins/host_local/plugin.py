"""host-local: addresses from ranges, kept in files on this host."""

from __future__ import annotations

from cni.attachment import valid_attachments
from cni.config import RANGE, check_args
from cni.errors import INTERNAL, INVALID_CONFIG, NOT_AVAILABLE, CNIError
from cni.plugins.host_local import allocator, ranges
from cni.plugins.host_local.disk_store import DiskStore
from cni.plugins.host_local.resolv_conf import parse_file
from cni.result import ROUTE
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result

ABOUT = "gives addresses from ranges and keeps them in files"
_ONE_RANGE = {key.rstrip("*"): kind for key, kind in RANGE.items()}
SHAPE = {"ipam": {**_ONE_RANGE, "ranges": [[RANGE]], "routes": [ROUTE], "dataDir": str, "resolvConf": str}}


def _store(call: Call) -> DiskStore:
    if not call.ipam:
        raise CNIError(INVALID_CONFIG, "IPAM config missing 'ipam' key")
    return DiskStore(call.name, str(call.ipam.get("dataDir") or ""))


def requested_addresses(call: Call) -> list[bytes]:
    """The addresses that somebody asked for: in CNI_ARGS, in `args.cni.ips` or as the capability `ips`."""
    words = []
    if call.args.get("IP"):
        words += call.args["IP"].split(",")
    words += call.cni_args.get("ips") or []
    words += call.runtime_config.get("ips") or []
    found: list[bytes] = []
    for word in words:
        packed = addresses.pack(str(word).strip().partition("/")[0])
        if packed not in found:
            found.append(packed)
    return found


def add(call: Call) -> Result:
    """Reserve addresses."""
    check_args(call.args)
    store = _store(call)
    sets = ranges.parse(call.ipam, call.runtime_config)
    requested = requested_addresses(call)
    answer: Result = {"dns": {}}
    if call.ipam.get("resolvConf"):
        answer["dns"] = parse_file(str(call.ipam["resolvConf"]))
    with store:
        answer["ips"] = allocator.allocate(store, sets, call.container_id, call.ifname, requested)
    answer["routes"] = [dict(route) for route in call.ipam.get("routes") or []]
    return answer


def delete(call: Call) -> None:
    """Free what the attachment holds."""
    store = _store(call)
    if not store.there:
        return
    with store:
        store.release(call.container_id, call.ifname)


def check(call: Call) -> None:
    """Raise unless the attachment holds an address."""
    store = _store(call)
    held: list[str] = []
    if store.there:
        with store:
            held = store.held_by(call.container_id, call.ifname)
    if not held:
        raise CNIError(INTERNAL, f"host-local: Failed to find address added by container {call.container_id}")


def gc(call: Call) -> None:
    """Free what no valid attachment holds."""
    store = _store(call)
    if store.there:
        with store:
            store.collect(set(valid_attachments(call.config)))


def status(call: Call) -> None:
    """Raise unless addresses can be kept."""
    ranges.parse(call.ipam, call.runtime_config)
    try:
        with _store(call):
            return
    except OSError as error:
        raise CNIError(NOT_AVAILABLE, f"host-local: the data directory can't be used: {error}") from error
