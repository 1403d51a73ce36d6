"""A call of a plugin: the command, whom it is for, and the network configuration with its usual parts read out."""

from __future__ import annotations

from cni import result
from cni.errors import INVALID_CONFIG, INVALID_ENVIRONMENT, CNIError
from cni.versions import DEFAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RANGE = {"subnet*": str, "rangeStart": str, "rangeEnd": str, "gateway": str}
# What all plugins read; a plugin's own keys stand in its SHAPE.
SHAPE = {
    "cniVersion": str,
    "name": str,
    "args": {"cni": {"ips": [str], "mac": str}},
    "runtimeConfig": {
        "portMappings": [{}],
        "bandwidth": {"shapedSubnets": [str], "unshapedSubnets": [str]},
        "ips": [str],
        "ipRanges": [[RANGE]],
        "mac": str,
        "deviceID": str,
    },
    "ipam": {"type": str},
    "dns": result.DNS,
    "cni.dev/valid-attachments": [{"containerID": str, "ifname": str}],
    "cni.dev/attachments": [{"containerID": str, "ifname": str}],
}
_KNOWN_ARGS = ("IgnoreUnknown", "IP", "GATEWAY", "MAC")
_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_FIRST | frozenset("_.-")
_IFNAME_MAX = 15


class Call:
    """One call of a plugin.

    Attributes:
        command: ADD, DEL, CHECK, GC or STATUS.
        container_id: The container.
        netns: The path of its network namespace; may be empty for DEL.
        ifname: The interface's name in it.
        args: CNI_ARGS.
        path: Where plugins' executables are.
        config: The plugin's configuration, as JSON has it.
    """

    __slots__ = ("_previous", "args", "command", "config", "container_id", "ifname", "netns", "path")

    def __init__(
        self,
        command: str,
        config: dict[str, Any],
        *,
        container_id: str = "",
        netns: str = "",
        ifname: str = "",
        args: dict[str, str] | None = None,
        path: list[str] | None = None,
    ) -> None:
        self.command, self.config = command, config
        self.container_id, self.netns, self.ifname = container_id, netns, ifname
        self.args, self.path = args or {}, path or []
        self._previous: result.Result | None = None

    @property
    def name(self) -> str:
        """The network's name."""
        return str(self.config.get("name") or "")

    @property
    def version(self) -> str:
        """The version of the specification that the configuration asks for."""
        return str(self.config.get("cniVersion") or DEFAULT)

    @property
    def runtime_config(self) -> dict[str, Any]:
        """What the runtime adds for capabilities."""
        return self.mapping("runtimeConfig")

    @property
    def cni_args(self) -> dict[str, Any]:
        """`args.cni` of the configuration."""
        return dict(self.mapping("args").get("cni") or {})

    @property
    def ipam(self) -> dict[str, Any]:
        """The `ipam` part; empty where there is none."""
        return self.mapping("ipam")

    @property
    def previous(self) -> result.Result | None:
        """The result of the plugin before, in the latest form."""
        if self._previous is None and self.config.get("prevResult") is not None:
            self._previous = result.parse(self.config["prevResult"])
        return self._previous

    def require_previous(self) -> result.Result:
        """The result of the plugin before.

        Raises:
            CNIError: if there is none: then the plugin was not chained after another.
        """
        if self.previous is None:
            raise CNIError(
                INVALID_CONFIG, f"{self.config.get('type')}: must be called as a chained plugin (no prevResult)"
            )
        return self.previous

    def mapping(self, key: str) -> dict[str, Any]:
        """An object of the configuration; empty where it is missing."""
        value = self.config.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise CNIError(INVALID_CONFIG, f"failed to load netconf: {key} is not an object")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A string of the configuration."""
        return str(self._typed(key, str, default, "a string"))

    def number(self, key: str, default: int = 0) -> int:
        """An integer of the configuration."""
        value = self.config.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise CNIError(INVALID_CONFIG, f"failed to load netconf: {key} is not an integer")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A boolean of the configuration."""
        return bool(self._typed(key, bool, default, "a boolean"))

    def _typed(self, key: str, kind: type, default: Any, words: str) -> Any:
        value = self.config.get(key)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise CNIError(INVALID_CONFIG, f"failed to load netconf: {key} is not {words}")
        return value

    def mac(self) -> str:
        """The MAC address that was asked for: by the runtime, else by `args.cni`, else by CNI_ARGS."""
        return str(self.runtime_config.get("mac") or self.cni_args.get("mac") or self.args.get("MAC") or "")

    def with_config(self, config: dict[str, Any], command: str = "") -> Call:
        """The same call with another configuration."""
        return Call(
            command or self.command,
            config,
            container_id=self.container_id,
            netns=self.netns,
            ifname=self.ifname,
            args=self.args,
            path=self.path,
        )


def valid_name(name: str) -> bool:
    """Whether a container id or network name is well formed."""
    return bool(name) and name[0] in _NAME_FIRST and all(character in _NAME_REST for character in name)


def check_container_id(container_id: str) -> None:
    """Raise unless a container id is well formed."""
    if not valid_name(container_id):
        raise CNIError(INVALID_ENVIRONMENT, "invalid characters in containerID", f"invalid containerID: {container_id}")


def check_ifname(ifname: str) -> None:
    """Raise unless an interface's name is one that Linux takes."""
    problem = ""
    if not ifname:
        problem = "interface name is empty"
    elif len(ifname.encode()) > _IFNAME_MAX:
        problem = f"interface name is too long: interface name should be less than {_IFNAME_MAX + 1} characters"
    elif ifname in (".", ".."):
        problem = "interface name is . or .."
    elif any(character in "/:" or character.isspace() for character in ifname):
        problem = "interface name contains / or : or whitespace characters"
    if problem:
        raise CNIError(INVALID_ENVIRONMENT, problem, ifname)


def check_network_name(name: str) -> None:
    """Raise unless a network's name is well formed."""
    if not name:
        raise CNIError(INVALID_CONFIG, "missing network name")
    if not valid_name(name):
        raise CNIError(INVALID_CONFIG, "invalid characters found in network name", name)


def parse_args(text: str) -> dict[str, str]:
    """CNI_ARGS: `K=V;K=V`.

    Raises:
        CNIError: naming the pair that is none.
    """
    found = {}
    for pair in text.split(";") if text else []:
        key, equals, value = pair.partition("=")
        if not equals or not key or not value:
            raise CNIError(INVALID_ENVIRONMENT, f'ARGS: invalid pair "{pair}"')
        found[key] = value
    return found


_TRUE = ("1", "true")


def check_args(args: dict[str, str]) -> None:
    """Raise where CNI_ARGS holds keys that no plugin knows, unless IgnoreUnknown is set."""
    if args.get("IgnoreUnknown", "").lower() in _TRUE:
        return
    unknown = [key for key in args if key not in _KNOWN_ARGS]
    if unknown:
        raise CNIError(INVALID_ENVIRONMENT, f"ARGS: unknown args {unknown}")
