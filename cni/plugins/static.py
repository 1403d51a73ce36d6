"""static: gives the addresses that stand in the configuration; keeps nothing."""

from __future__ import annotations

from cni.config import check_args
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.result import DNS, ROUTE
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.result import Result

ABOUT = "gives the addresses that its configuration names"
SHAPE = {"ipam": {"addresses": [{"address*": str, "gateway": str}], "routes": [ROUTE], "dns": DNS}}


def wanted(call: Call) -> list[dict[str, Any]]:
    """The addresses: those of the runtime replace those of the configuration; CNI_ARGS add more."""
    if not call.ipam:
        raise CNIError(INVALID_CONFIG, "IPAM config missing 'ipam' key")
    check_args(call.args)
    found = [dict(entry) for entry in call.ipam.get("addresses") or []]
    if call.args.get("IP"):
        found += _from_arguments(call.args["IP"], call.args.get("GATEWAY", ""))
    replacement = call.runtime_config.get("ips") or call.cni_args.get("ips")
    if replacement:
        found = [{"address": str(entry)} for entry in replacement]
    seen = []
    for entry in found:
        packed, prefix = addresses.parse_cidr(str(entry.get("address") or ""))
        entry["address"] = f"{addresses.unpack(packed)}/{prefix}"
        if entry.get("gateway"):
            gateway = addresses.pack(str(entry["gateway"]))
            if len(gateway) != len(packed):
                raise CNIError(
                    INVALID_CONFIG, f"gateway {entry['gateway']} is of another family than {entry['address']}"
                )
        if entry["address"] in seen:
            raise CNIError(INVALID_CONFIG, f"address {entry['address']} is named twice")
        seen.append(entry["address"])
    return found


def _from_arguments(ips: str, gateways: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"address": one.strip()} for one in ips.split(",")]
    for gateway in gateways.split(",") if gateways else []:
        packed = addresses.pack(gateway.strip())
        for entry in found:
            network, prefix = addresses.parse_cidr(entry["address"])
            if addresses.contains(network, prefix, packed):
                entry["gateway"] = addresses.unpack(packed)
    return found


def add(call: Call) -> Result:
    """Give the addresses."""
    ips = [{k: v for k, v in entry.items() if k in ("address", "gateway") and v} for entry in wanted(call)]
    if not ips:
        raise CNIError(INVALID_CONFIG, "static: no addresses are configured")
    routes = [dict(route) for route in call.ipam.get("routes") or []]
    return {"ips": ips, "routes": routes, "dns": dict(call.ipam.get("dns") or {})}


def delete(call: Call) -> None:
    """Nothing was kept."""


def check(call: Call) -> None:
    """Raise unless the configured addresses and their gateways are in the result."""
    have = {ip["address"]: ip.get("gateway") for ip in call.require_previous().get("ips") or []}
    for entry in wanted(call):
        address, gateway = entry["address"], entry.get("gateway")
        if address not in have or (gateway and gateway != have[address]):
            raise CNIError(INTERNAL, f"static: Failed to match addr {address} on interface {call.ifname}")


def status(call: Call) -> None:
    """Raise unless the configuration is good."""
    wanted(call)
