"""Where a resource lives in etcd: upstream's key layout, so that either server can open the other's data."""

from __future__ import annotations

# Resources whose directory differs from their plural (upstream keeps the names of its early days).
_SPECIAL = {
    ("", "nodes"): "minions",
    ("", "services"): "services/specs",
    ("", "endpoints"): "services/endpoints",
    ("", "replicationcontrollers"): "controllers",
    ("networking.k8s.io", "ingresses"): "ingress",
    ("events.k8s.io", "events"): "events",
    ("coordination.k8s.io", "leases"): "leases",
    ("policy", "podsecuritypolicies"): "podsecuritypolicy",
}

# Groups that keep their name in the key (written by the extension and aggregation servers upstream).
_GROUP_IN_KEY = frozenset({"apiextensions.k8s.io", "apiregistration.k8s.io"})


def resource_directory(group: str, plural: str, *, custom: bool = False) -> str:
    """Return the directory of a resource below the prefix, without slashes at its ends."""
    special = _SPECIAL.get((group, plural))
    if special is not None:
        return special
    if custom or group in _GROUP_IN_KEY:
        return f"{group}/{plural}"
    return plural


def split_directory(relative: str) -> tuple[str, str]:
    """Split a key below the prefix into the resource directory and the object's key (`ns/name` or `name`).

    The directory has two parts for groups and for `services/…`; both are told by their first part.
    """
    first, _, rest = relative.partition("/")
    if first == "services" or "." in first:
        second, _, rest = rest.partition("/")
        return f"{first}/{second}", rest
    return first, rest
