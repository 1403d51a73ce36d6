"""Results: inside, always in the form of the latest version; converted where they enter and leave.

A result is a dict with `interfaces`, `ips`, `routes` and `dns` (each may be missing).
"""

from __future__ import annotations

from cni import shapes
from cni.errors import DECODING_FAILURE, INCOMPATIBLE_VERSION, CNIError
from cni.versions import LATEST, at_least, require_supported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Result = dict[str, Any]

DNS = {"nameservers": [str], "domain": str, "search": [str], "options": [str]}
ROUTE = {"dst*": str, "gw": str, "mtu": int, "advmss": int, "priority": int, "table": int, "scope": int}
_OLD_ADDRESS = {"ip*": str, "gateway": str, "routes": [ROUTE]}
_SHAPE = {
    "cniVersion": str,
    "interfaces": [{"name": str, "mac": str, "mtu": int, "sandbox": str, "socketPath": str, "pciID": str}],
    "ips": [{"address*": str, "gateway": str, "interface": int}],
    "routes": [ROUTE],
    "dns": DNS,
    "ip4": _OLD_ADDRESS,
    "ip6": _OLD_ADDRESS,
}
_NEW_INTERFACE_KEYS = ("mtu", "socketPath", "pciID")
_NEW_ROUTE_KEYS = ("mtu", "advmss", "priority", "table", "scope")


def parse(raw: Any) -> Result:
    """A result of any version, in the latest form.

    Raises:
        CNIError: if it is no result.
    """
    shapes.check(raw, _SHAPE, "prevResult", DECODING_FAILURE)
    version = raw.get("cniVersion") or "0.1.0"
    require_supported(version)
    if not at_least(version, "0.3.0"):
        return _from_oldest(raw)
    found: Result = {"cniVersion": LATEST}
    for key in ("interfaces", "ips", "routes"):
        entries = raw.get(key)
        if entries:
            found[key] = [{k: v for k, v in entry.items() if key != "ips" or k != "version"} for entry in entries]
    found["dns"] = raw.get("dns") or {}
    return found


def _from_oldest(raw: dict[str, Any]) -> Result:
    found: Result = {"cniVersion": LATEST, "dns": raw.get("dns") or {}}
    for key in ("ip4", "ip6"):
        entry = raw.get(key)
        if entry:
            address = {"address": entry["ip"]}
            if entry.get("gateway"):
                address["gateway"] = entry["gateway"]
            found.setdefault("ips", []).append(address)
            found.setdefault("routes", []).extend(entry.get("routes") or [])
    return found


def convert(result: Result, version: str) -> dict[str, Any]:
    """A result in the form of a version.

    Raises:
        CNIError: if that version can't say it.
    """
    if not at_least(version, "0.3.0"):
        return _to_oldest(result, version)
    shown: dict[str, Any] = {"cniVersion": version}
    newest, old = at_least(version, "1.1.0"), not at_least(version, "1.0.0")
    if result.get("interfaces"):
        shown["interfaces"] = [_without(one, () if newest else _NEW_INTERFACE_KEYS) for one in result["interfaces"]]
    if result.get("ips"):
        ips = [_without(one, ()) for one in result["ips"]]
        if old:
            ips = [{"version": "6" if ":" in one["address"] else "4", **one} for one in ips]
        shown["ips"] = ips
    if result.get("routes"):
        shown["routes"] = [_without(one, () if newest else _NEW_ROUTE_KEYS) for one in result["routes"]]
    shown["dns"] = result.get("dns") or {}
    return shown


def _without(entry: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys and value not in ("", None)}


def _to_oldest(result: Result, version: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"cniVersion": version}
    for entry in result.get("ips") or []:
        key = "ip6" if ":" in entry["address"] else "ip4"
        if key in shown:
            continue
        shown[key] = {"ip": entry["address"]}
        if entry.get("gateway"):
            shown[key]["gateway"] = entry["gateway"]
        routes = [r for r in result.get("routes") or [] if (":" in r["dst"]) == (key == "ip6")]
        if routes:
            shown[key]["routes"] = [_without(route, _NEW_ROUTE_KEYS) for route in routes]
    if "ip4" not in shown and "ip6" not in shown:
        raise CNIError(INCOMPATIBLE_VERSION, "cannot convert: no valid IP addresses")
    shown["dns"] = result.get("dns") or {}
    return shown


def container_interface(result: Result, ifname: str, netns: str) -> dict[str, Any] | None:
    """The result's interface of that name inside the container, or None."""
    for one in result.get("interfaces") or []:
        if one.get("name") == ifname and one.get("sandbox") == netns:
            return dict(one)
    return None
