"""Calls one of our plugins as a function, with the checks that the specification asks of every plugin."""

from __future__ import annotations

from cni import result, shapes
from cni.config import SHAPE, Call, check_container_id, check_ifname, check_network_name
from cni.errors import (
    INCOMPATIBLE_VERSION,
    INVALID_CONFIG,
    INVALID_ENVIRONMENT,
    INVALID_NETNS,
    CNIError,
    from_exception,
)
from cni.plugins import registry
from cni.versions import CHECK_SINCE, DEFAULT, GC_SINCE, at_least, require_supported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_FUNCTIONS = {"ADD": "add", "DEL": "delete", "CHECK": "check", "GC": "gc", "STATUS": "status"}
_SINCE = {"CHECK": CHECK_SINCE, "GC": GC_SINCE, "STATUS": GC_SINCE}


def has(kind: str) -> bool:
    """Whether a plugin is ours."""
    return kind in registry.PLUGINS


def run(kind: str, call: Call, *, any_version: bool = False) -> result.Result | None:
    """Run a plugin of ours. Returns the result of ADD in the latest form.

    Args:
        kind: The plugin's type.
        call: What is asked.
        any_version: Run GC and STATUS for networks of older versions too.

    Raises:
        CNIError: whatever went wrong.
    """
    module = registry.load(kind)
    if module is None:
        raise CNIError(INVALID_CONFIG, f'failed to find plugin "{kind}"')
    try:
        return run_module(module, call, any_version=any_version)
    except CNIError:
        raise
    except Exception as error:
        raise from_exception(error) from error


def run_module(module: ModuleType, call: Call, *, any_version: bool = False) -> result.Result | None:
    """Check a call and carry it out."""
    if call.command not in _FUNCTIONS:
        raise CNIError(INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {call.command}")
    shapes.check(call.config, {**SHAPE, **getattr(module, "SHAPE", {})})
    check_network_name(call.name)
    require_supported(call.version, getattr(module, "SINCE", DEFAULT))
    since = _SINCE.get(call.command)
    if since and not any_version and not at_least(call.version, since):
        raise CNIError(INCOMPATIBLE_VERSION, f"config version does not allow {call.command}")
    if call.command in ("ADD", "DEL", "CHECK"):
        check_container_id(call.container_id)
        check_ifname(call.ifname)
    if call.command in ("ADD", "DEL") and call.netns:
        _check_netns(call)
    function = getattr(module, _FUNCTIONS[call.command], None)
    if function is None:
        return None
    answer = function(call)
    return answer if call.command == "ADD" else None


def _check_netns(call: Call) -> None:
    import os

    if os.environ.get("CNI_NETNS_OVERRIDE", "").lower() in ("1", "true", "yes"):
        return
    from linux import netns

    try:
        same = netns.same(call.netns)
    except OSError:
        return
    if same:
        raise CNIError(INVALID_NETNS, "plugin's netns and netns from CNI_NETNS should not be the same", call.netns)
