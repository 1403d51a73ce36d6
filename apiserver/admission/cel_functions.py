"""The functions CEL has in Kubernetes beyond the language's own (strings, lists, sets, regex, URLs, quantities, IPs…).

Values that CEL itself doesn't know (a URL, a quantity, an IP address) are maps with one odd key; the functions tell
them apart by it. `table` returns name to function; the first argument is the receiver of `x.f(y)`.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from apimachinery.objects.quantity import QuantityError, format_quantity, parse_quantity

QUANTITY: Final = "\x00quantity"
URL: Final = "\x00url"
IP: Final = "\x00ip"
CIDR: Final = "\x00cidr"
SEMVER: Final = "\x00semver"
FORMAT: Final = "\x00format"

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


def _family(value: Any) -> int:
    return int(_address(value).version)


# -- strings -------------------------------------------------------------------------------------------------------


def _char_at(text: str, position: int) -> str:
    if position < 0 or position > len(text):
        raise ValueError(f"index out of range: {position}")
    return text[position : position + 1]


def _index_of(where: Any, what: Any, start: int = 0) -> int:
    if isinstance(where, str):
        return where.find(what, start)
    return next((position for position, item in enumerate(where) if item == what), -1)


def _last_index_of(where: Any, what: Any, start: int | None = None) -> int:
    if isinstance(where, str):
        return where.rfind(what) if start is None else where.rfind(what, 0, start + len(what))
    return max((position for position, item in enumerate(where) if item == what), default=-1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if start < 0 or stop > len(text) or start > stop:
        raise ValueError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def _text_replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _text_split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text)
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _ascii(text: str, *, upper: bool) -> str:
    return "".join((c.upper() if upper else c.lower()) if c.isascii() else c for c in text)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(key)}: {_shown(value[key])}" for key in sorted(value)) + "}"
    return str(value)


def _format(pattern: str, args: list[Any]) -> str:
    rest = list(args)

    def one(match: re.Match[str]) -> str:
        verb, precision = match["verb"], match["precision"]
        if verb == "%":
            return "%"
        value = rest.pop(0)
        if verb in ("f", "e"):
            return f"{float(value):.{int(precision or 6)}{verb}}"
        written = {"d": lambda: str(int(value)), "b": lambda: f"{int(value):b}", "o": lambda: f"{int(value):o}"}
        if verb in ("x", "X"):
            text = (
                f"{value:x}" if isinstance(value, int) else (value.encode() if isinstance(value, str) else value).hex()
            )
            return text.upper() if verb == "X" else text
        return written[verb]() if verb in written else _shown(value)

    return re.sub(r"%(?:\.(?P<precision>\d+))?(?P<verb>[sdfebxXo%])", one, pattern)


# -- lists and sets ------------------------------------------------------------------------------------------------


def _is_sorted(items: list[Any]) -> bool:
    return all(left <= right for left, right in pairwise(items))


def _distinct(items: list[Any]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if item not in out:
            out.append(item)
    return out


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth > 0:
            out += _flatten(item, depth - 1)
        else:
            out.append(item)
    return out


def _entries(value: Any) -> list[dict[str, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [{"key": key, "value": item} for key, item in pairs]


def _reverse(value: Any) -> Any:
    return value[::-1]


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in re.finditer(pattern, text)]
    return found[:limit] if limit >= 0 else found


def _validate_format(name: Any, text: str, optional: Any) -> Any:
    pattern, most = _FORMATS[name[FORMAT]]
    if len(text) <= most and re.fullmatch(pattern, text):
        return optional.none()
    return optional.of([f"must match the format {name[FORMAT]}"])


def _optionals(optional: Any) -> dict[str, Callable[..., Any]]:
    def field(value: Any, name: Any) -> Any:
        if isinstance(value, optional):
            if not value.has_value():
                return value
            value = value.value()
        if isinstance(value, dict):
            return optional.of(value[name]) if name in value else optional.none()
        if isinstance(value, list) and isinstance(name, int):
            return optional.of(value[name]) if 0 <= name < len(value) else optional.none()
        return optional.none()

    def as_list(value: Any) -> list[Any]:
        return [value.value()] if value.has_value() else []

    def first(items: list[Any]) -> Any:
        return optional.of(items[0]) if items else optional.none()

    def flattened(items: list[Any]) -> Any:
        return items[0] if items else optional.none()

    return {
        "optField": field,
        "optIndex": field,
        "optList": as_list,
        "optFirst": first,
        "optFlatten": flattened,
        "first": first,
        "last": lambda items: optional.of(items[-1]) if items else optional.none(),
        "format.named": lambda name: optional.of({FORMAT: name}) if name in _FORMATS else optional.none(),
        "validate": lambda name, text: _validate_format(name, text, optional),
        **{f"format.{name}": (lambda name=name: {FORMAT: name}) for name in _FORMATS},
    }


def table(optional: Any) -> dict[str, Callable[..., Any]]:
    """Return all functions; `optional` is the library's class of optional values."""
    quantities: dict[str, Callable[..., Any]] = {
        "quantity": _quantity,
        "isQuantity": lambda text: _try(parse_quantity, text),
        "sign": lambda value: _compare(value, {QUANTITY: "0"}),
        "isInteger": lambda value: _amount(value) == _amount(value).to_integral_value(),
        "asInteger": lambda value: int(_amount(value)),
        "asApproximateFloat": lambda value: float(_amount(value)),
        "add": _sum_of,
        "sub": _sub_of,
        "isLessThan": lambda left, right: _compare(left, right) < 0,
        "isGreaterThan": lambda left, right: _compare(left, right) > 0,
        "compareTo": _compare,
        "semver": _semver,
        "isSemver": lambda text, *normalize: _try(_semver, text, *normalize),
        "major": lambda value: _semver_key(value[SEMVER])[0],
        "minor": lambda value: _semver_key(value[SEMVER])[1],
        "patch": lambda value: _semver_key(value[SEMVER])[2],
    }
    network: dict[str, Callable[..., Any]] = {
        "url": _url,
        "isURL": lambda text: _try(_url, text),
        "getScheme": lambda value: _url_part(value, "scheme"),
        "getHost": lambda value: _url_part(value, "host"),
        "getHostname": lambda value: _url_part(value, "hostname"),
        "getPort": lambda value: _url_part(value, "port"),
        "getEscapedPath": lambda value: _url_part(value, "path"),
        "getQuery": lambda value: _url_part(value, "query"),
        "ip": _ip,
        "isIP": lambda text: _try(_ip, text),
        "ip.isCanonical": lambda text: str(ipaddress.ip_address(text)) == text,
        "family": _family,
        "isUnspecified": lambda value: _address(value).is_unspecified,
        "isLoopback": lambda value: _address(value).is_loopback,
        "isLinkLocalMulticast": lambda value: _address(value).is_multicast and _address(value).is_link_local,
        "isLinkLocalUnicast": lambda value: _address(value).is_link_local,
        "isGlobalUnicast": lambda value: (
            not (
                _address(value).is_multicast
                or _address(value).is_loopback
                or _address(value).is_link_local
                or _address(value).is_unspecified
            )
        ),
        "cidr": _cidr,
        "isCIDR": lambda text: "/" in text and _try(_cidr, text),
        "containsIP": _contains_ip,
        "containsCIDR": _contains_cidr,
        "masked": lambda value: {CIDR: str(_network(value))},
        "prefixLength": lambda value: _network(value).prefixlen,
    }
    strings: dict[str, Callable[..., Any]] = {
        "charAt": _char_at,
        "indexOf": _index_of,
        "lastIndexOf": _last_index_of,
        "join": lambda items, separator="": separator.join(items),
        "lowerAscii": lambda text: _ascii(text, upper=False),
        "upperAscii": lambda text: _ascii(text, upper=True),
        "replace": _text_replace,
        "split": _text_split,
        "substring": _substring,
        "trim": lambda text: text.strip(),
        "reverse": _reverse,
        "format": _format,
        "find": _find,
        "findAll": _find_all,
        "bool": lambda value: value if isinstance(value, bool) else {"true": True, "false": False}[value],
        "base64.encode": lambda data: base64.b64encode(data).decode(),
        "base64.decode": lambda text: base64.b64decode(text + "=" * (-len(text) % 4)),
        "jsonpatch.escapeKey": lambda key: key.replace("~", "~0").replace("/", "~1"),
    }
    lists: dict[str, Callable[..., Any]] = {
        "isSorted": _is_sorted,
        "sum": sum,
        "min": min,
        "max": max,
        "distinct": _distinct,
        "flatten": _flatten,
        "slice": lambda items, start, end: items[start:end],
        "sort": sorted,
        "sortPairs": lambda pairs: [pair[1] for pair in sorted(pairs, key=lambda pair: pair[0])],
        "lists.range": lambda count: list(range(count)),
        "entries": _entries,
        "mapOfPairs": dict,
        "sets.contains": lambda left, right: all(item in left for item in right),
        "sets.equivalent": lambda left, right: all(i in left for i in right) and all(i in right for i in left),
        "sets.intersects": lambda left, right: any(item in left for item in right),
        "math.greatest": lambda *args: max(args[0] if len(args) == 1 and isinstance(args[0], list) else args),
        "math.least": lambda *args: min(args[0] if len(args) == 1 and isinstance(args[0], list) else args),
    }
    return {**quantities, **network, **strings, **lists, **_optionals(optional)}
