"""The functions CEL has in Kubernetes beyond what its library brings (regex, URLs, quantities, IPs…), with their types.

Values that CEL itself doesn't know (a URL, a quantity, an IP address) are maps with one odd key; the functions tell
them apart by it. A function whose result is optional gives a list of none or one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from apimachinery.objects.quantity import QuantityError, format_quantity, parse_quantity
from apiserver.admission.cel import COST_LIMIT_EXCEEDED
from apiserver.admission.cel_types import Function, as_value

QUANTITY: Final = "\x01quantity"
URL: Final = "\x01url"
IP: Final = "\x01ip"
CIDR: Final = "\x01cidr"
SEMVER: Final = "\x01semver"
FORMAT: Final = "\x01format"
QUANTITY_TYPE: Final = "kubernetes.Quantity"
URL_TYPE: Final = "kubernetes.URL"
IP_TYPE: Final = "net.IP"
CIDR_TYPE: Final = "net.CIDR"
SEMVER_TYPE: Final = "kubernetes.Semver"
FORMAT_TYPE: Final = "kubernetes.NamedFormat"

_LONGEST_RANGE: Final = 1_000_000
_SEMVER: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?")
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_FORMATS: Final[dict[str, tuple[str, int]]] = {
    "dns1123Label": (_LABEL, 63),
    "dns1123Subdomain": (rf"{_LABEL}(\.{_LABEL})*", 253),
    "dns1035Label": (r"[a-z]([-a-z0-9]*[a-z0-9])?", 63),
    "dns1123LabelPrefix": (_LABEL + "-?", 63),
    "dns1123SubdomainPrefix": (rf"{_LABEL}(\.{_LABEL})*[-.]?", 253),
    "dns1035LabelPrefix": (r"[a-z]([-a-z0-9]*[a-z0-9])?-?", 63),
    "qualifiedName": (r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", 317),
    "labelValue": (r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", 63),
    "uuid": (r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", 36),
    "byte": (r"[A-Za-z0-9+/]*={0,2}", 1 << 30),
    "date": (r"\d{4}-\d{2}-\d{2}", 10),
    "datetime": (r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", 64),
}


def _try(function: Callable[..., Any], *args: Any) -> bool:
    try:
        function(*args)
    except (ValueError, QuantityError, KeyError, TypeError):
        return False
    return True


# -- quantities ----------------------------------------------------------------------------------------------------


def _quantity(text: str) -> dict[str, str]:
    return {QUANTITY: format_quantity(parse_quantity(text), like=text)}


def _amount(value: Any) -> Decimal:
    return parse_quantity(value[QUANTITY]) if isinstance(value, dict) else Decimal(str(value))


def _comparable(value: Any) -> Any:
    if isinstance(value, dict) and QUANTITY in value:
        return _amount(value)
    if isinstance(value, dict) and SEMVER in value:
        return _semver_key(value[SEMVER])
    return value


def _compare(left: Any, right: Any) -> int:
    a, b = _comparable(left), _comparable(right)
    return int(a > b) - int(a < b)


def _is_less(left: Any, right: Any) -> bool:
    return _compare(left, right) < 0


def _is_greater(left: Any, right: Any) -> bool:
    return _compare(left, right) > 0


def _as_integer(value: Any) -> int:
    amount = _amount(value)
    if amount != amount.to_integral_value():
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _sum_of(left: Any, right: Any) -> dict[str, str]:
    return {QUANTITY: format_quantity(_amount(left) + _amount(right), like=left[QUANTITY])}


def _sub_of(left: Any, right: Any) -> dict[str, str]:
    return {QUANTITY: format_quantity(_amount(left) - _amount(right), like=left[QUANTITY])}


# -- semantic versions ---------------------------------------------------------------------------------------------


def _semver(text: str, *normalize: bool) -> dict[str, str]:
    if normalize and normalize[0]:
        core, mark, rest = re.match(r"v?([0-9.]*)([-+]?)(.*)", text).groups()  # type: ignore[union-attr] # always matches
        parts = [str(int(part)) for part in core.split(".") if part][:3]
        text = ".".join([*parts, *["0"] * (3 - len(parts))]) + mark + rest
    if not _SEMVER.fullmatch(text):
        raise ValueError(f"invalid semantic version {text!r}")
    return {SEMVER: text}


def _semver_key(text: str) -> tuple[Any, ...]:
    major, minor, patch, pre, _ = _SEMVER.fullmatch(text).groups()  # type: ignore[union-attr] # checked when made
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in (pre or "").split(".") if p)
    return int(major), int(minor), int(patch), 0 if parts else 1, parts


# -- URLs ----------------------------------------------------------------------------------------------------------


def _url(text: str) -> dict[str, str]:
    parts = urlsplit(text)
    if not (parts.scheme and parts.netloc) and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    _ = parts.port
    return {URL: text}


def _url_part(value: Any, part: str) -> Any:
    parts = urlsplit(value[URL])
    host = parts.netloc.rpartition("@")[2]
    found: dict[str, Any] = {
        "scheme": parts.scheme,
        "host": host,
        "hostname": re.sub(r":\d+$", "", host).strip("[]"),
        "port": "" if parts.port is None else str(parts.port),
        "path": parts.path,
        "query": parse_qs(parts.query, keep_blank_values=True),
    }
    return found[part]


# -- addresses -----------------------------------------------------------------------------------------------------


def _ip(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {IP: str(ipaddress.ip_interface(value[CIDR]).ip)}
    if "%" in value:
        raise ValueError(f"IP Address with zone value {value!r} is not allowed")
    return {IP: str(ipaddress.ip_address(value))}


def _address(value: Any) -> Any:
    return ipaddress.ip_address(value[IP] if isinstance(value, dict) else value)


def _cidr(text: str) -> dict[str, str]:
    ipaddress.ip_interface(text)
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    return {CIDR: text}


def _network(value: Any) -> Any:
    return ipaddress.ip_network(value[CIDR] if isinstance(value, dict) else value, strict=False)


def _contains_ip(network: Any, address: Any) -> bool:
    found, other = _network(network), _address(address)
    return found.version == other.version and other in found


def _contains_cidr(network: Any, other: Any) -> bool:
    outer, inner = _network(network), _network(other)
    return bool(outer.version == inner.version and inner.subnet_of(outer))


def _is_link_local_multicast(value: Any) -> bool:
    address = _address(value)
    return bool(address.is_multicast and (address.is_link_local or str(address).startswith(("224.0.0.", "ff02:"))))


def _is_global_unicast(value: Any) -> bool:
    address = _address(value)
    return not (address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified)


def _family(value: Any) -> int:
    return int(_address(value).version)


# -- lists and strings ---------------------------------------------------------------------------------------------


def _is_sorted(items: list[Any]) -> bool:
    return all(left <= right for left, right in pairwise(items))


def _index_of(items: list[Any] | str, what: Any) -> int:
    if isinstance(items, str):
        return items.find(what)
    return next((position for position, item in enumerate(items) if item == what), -1)


def _last_index_of(items: list[Any] | str, what: Any) -> int:
    if isinstance(items, str):
        return items.rfind(what)
    return max((position for position, item in enumerate(items) if item == what), default=-1)


def _extreme(choose: Callable[..., Any], name: str) -> Callable[[list[Any]], Any]:
    def of(items: list[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return as_value(choose(items))

    return of


def _sum(items: list[Any]) -> Any:
    return as_value(sum(items[1:], items[0])) if items else 0


def _map_of(entries: list[list[Any]]) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    for entry in entries:
        for key, value in [entry] if len(entry) > 1 else entry[0].items():
            if key in out:
                raise ValueError(f"insert failed: key {key!r} already exists")
            out[key] = value
    return out


def _range(count: int) -> list[int]:
    # What takes long takes memory too; upstream's budget ends before this.
    if count > _LONGEST_RANGE:
        raise ValueError(COST_LIMIT_EXCEEDED)
    return list(range(count))


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in re.finditer(pattern, text)]
    return found[:limit] if limit >= 0 else found


def _named_format(name: str) -> list[dict[str, str]]:
    return [{FORMAT: name}] if name in _FORMATS else []


def _validate_format(value: dict[str, str], text: str) -> list[list[str]]:
    name = value[FORMAT]
    pattern, most = _FORMATS[name]
    fits = len(text) <= most and re.fullmatch(pattern, text)
    return [] if fits else [[f"must match the format {name}"]]


def _format(name: str) -> Callable[[], dict[str, str]]:
    return lambda: {FORMAT: name}


# -- the table -----------------------------------------------------------------------------------------------------

_ORDERED: Final = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")
_SUMMED: Final = ("int", "uint", "double", "duration")
_ANY: Final = (*_ORDERED, "list<dyn>", "map<dyn,dyn>", "null")


def _of(name: str, parameters: str, result: str, run: Callable[..., Any]) -> Function:
    return Function(name, tuple(parameters.split()), result, run)


def _on(name: str, parameters: str, result: str, run: Callable[..., Any]) -> Function:
    return Function(name, tuple(parameters.split()), result, run, member=True)


_QUANTITIES: Final = (
    _of("quantity", "string", QUANTITY_TYPE, _quantity),
    _of("isQuantity", "string", "bool", lambda text: _try(parse_quantity, text)),
    _on("sign", QUANTITY_TYPE, "int", lambda value: _compare(value, {QUANTITY: "0"})),
    _on("isInteger", QUANTITY_TYPE, "bool", lambda value: _amount(value) == _amount(value).to_integral_value()),
    _on("asInteger", QUANTITY_TYPE, "int", _as_integer),
    _on("asApproximateFloat", QUANTITY_TYPE, "double", lambda value: float(_amount(value))),
    _on("add", f"{QUANTITY_TYPE} {QUANTITY_TYPE}", QUANTITY_TYPE, _sum_of),
    _on("add", f"{QUANTITY_TYPE} int", QUANTITY_TYPE, _sum_of),
    _on("sub", f"{QUANTITY_TYPE} {QUANTITY_TYPE}", QUANTITY_TYPE, _sub_of),
    _on("sub", f"{QUANTITY_TYPE} int", QUANTITY_TYPE, _sub_of),
    _of("semver", "string", SEMVER_TYPE, _semver),
    _of("semver", "string bool", SEMVER_TYPE, _semver),
    _of("isSemver", "string", "bool", lambda text: _try(_semver, text)),
    _of("isSemver", "string bool", "bool", lambda text, normalize: _try(_semver, text, normalize)),
    *(
        _on(name, SEMVER_TYPE, "int", lambda value, at=at: _semver_key(value[SEMVER])[at])
        for at, name in enumerate(("major", "minor", "patch"))
    ),
    *(
        _on(name, f"{kind} {kind}", result, run)
        for kind in (QUANTITY_TYPE, SEMVER_TYPE)
        for name, result, run in (
            ("isLessThan", "bool", _is_less),
            ("isGreaterThan", "bool", _is_greater),
            ("compareTo", "int", _compare),
        )
    ),
)
_NETWORK: Final = (
    _of("url", "string", URL_TYPE, _url),
    _of("isURL", "string", "bool", lambda text: _try(_url, text)),
    *(
        _on(name, URL_TYPE, "string", lambda value, part=part: _url_part(value, part))
        for name, part in (
            ("getScheme", "scheme"),
            ("getHost", "host"),
            ("getHostname", "hostname"),
            ("getPort", "port"),
            ("getEscapedPath", "path"),
        )
    ),
    _on("getQuery", URL_TYPE, "map<string,list<string>>", lambda value: _url_part(value, "query")),
    _of("ip", "string", IP_TYPE, _ip),
    _on("ip", CIDR_TYPE, IP_TYPE, _ip),
    _of("isIP", "string", "bool", lambda text: _try(_ip, text)),
    _of("ip.isCanonical", "string", "bool", lambda text: str(ipaddress.ip_address(text)) == text),
    _on("family", IP_TYPE, "int", _family),
    _on("isUnspecified", IP_TYPE, "bool", lambda value: _address(value).is_unspecified),
    _on("isLoopback", IP_TYPE, "bool", lambda value: _address(value).is_loopback),
    _on("isLinkLocalMulticast", IP_TYPE, "bool", _is_link_local_multicast),
    _on("isLinkLocalUnicast", IP_TYPE, "bool", lambda value: _address(value).is_link_local),
    _on("isGlobalUnicast", IP_TYPE, "bool", _is_global_unicast),
    _of("cidr", "string", CIDR_TYPE, _cidr),
    _of("isCIDR", "string", "bool", lambda text: "/" in text and _try(_cidr, text)),
    *(_on("containsIP", f"{CIDR_TYPE} {kind}", "bool", _contains_ip) for kind in ("string", IP_TYPE)),
    *(_on("containsCIDR", f"{CIDR_TYPE} {kind}", "bool", _contains_cidr) for kind in ("string", CIDR_TYPE)),
    _on("masked", CIDR_TYPE, CIDR_TYPE, lambda value: {CIDR: str(_network(value))}),
    _on("prefixLength", CIDR_TYPE, "int", lambda value: _network(value).prefixlen),
)
_STRINGS: Final = (
    _on("find", "string string", "string", _find),
    _on("findAll", "string string", "list<string>", _find_all),
    _on("findAll", "string string int", "list<string>", _find_all),
    _of("jsonpatch.escapeKey", "string", "string", lambda key: key.replace("~", "~0").replace("/", "~1")),
    _of("format.named", "string", f"optional_type<{FORMAT_TYPE}>", _named_format),
    _on("validate", f"{FORMAT_TYPE} string", "optional_type<list<string>>", _validate_format),
    *(_of(f"format.{name}", "", FORMAT_TYPE, _format(name)) for name in _FORMATS),
)
_LISTS: Final = (
    *(_on("isSorted", f"list<{kind}>", "bool", _is_sorted) for kind in _ORDERED),
    *(_on("sum", f"list<{kind}>", kind, _sum) for kind in _SUMMED),
    *(_on("min", f"list<{kind}>", kind, _extreme(min, "min")) for kind in _ORDERED),
    *(_on("max", f"list<{kind}>", kind, _extreme(max, "max")) for kind in _ORDERED),
    *(
        _on(name, f"{items} {kind}", "int", run)
        for name, run in (("indexOf_", _index_of), ("lastIndexOf_", _last_index_of))
        for items, kind in [*(("list<dyn>", kind) for kind in _ANY), ("string", "string")]
    ),
)
MAP_OF_ENTRIES: Final = Function("mapOf_", ("list<dyn>",), "map<dyn,dyn>", _map_of)
RANGE: Final = Function("range_", ("int",), "list<int>", _range)
RENAMED: Final = {"indexOf": "indexOf_", "lastIndexOf": "lastIndexOf_", "string": "string_"}
"""Functions of the library that have more overloads in Kubernetes -> those that have them all."""
FUNCTIONS: Final = (*_QUANTITIES, *_NETWORK, *_STRINGS, *_LISTS, MAP_OF_ENTRIES, RANGE)
