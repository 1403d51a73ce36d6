"""Runs a network's plugins for a container: what a container runtime uses.

Our own plugins are called as functions, all others as executables; a library can be told to execute ours too. Calls
are synchronous and may be made from several threads. `python -m cni.library` is a command line like cnitool.
"""

from __future__ import annotations

from cni import executable, in_process, result
from cni.cache import Cache
from cni.config import Call, check_container_id, check_ifname, parse_args
from cni.errors import CNIError
from cni.network import Network
from cni.versions import CHECK_SINCE, GC_SINCE, at_least

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["Library", "Network"]


class Library:
    """Attaches containers to networks, and detaches them."""

    def __init__(self, plugin_dirs: list[str], cache_dir: str = "", *, in_process: bool = True) -> None:
        """Name where executables are and where results are kept; `in_process=False` executes our plugins too."""
        self._path = plugin_dirs
        self._cache = Cache(cache_dir)
        self._in_process = in_process

    def add(
        self,
        network: Network,
        container_id: str,
        netns_path: str,
        ifname: str = "eth0",
        *,
        port_mappings: list[dict[str, Any]] | None = None,
        args: dict[str, str] | None = None,
        capability_args: dict[str, Any] | None = None,
    ) -> result.Result:
        """Attach a container.

        Args:
            network: The network.
            container_id: The container.
            netns_path: Its network namespace.
            ifname: The interface to make there.
            port_mappings: Host ports: hostPort, containerPort, protocol, hostIP.
            args: CNI_ARGS.
            capability_args: What else the runtime offers: bandwidth, ips, mac, dns, aliases, …

        Returns:
            The result, in the form of version 1.1.0.

        Raises:
            CNIError: a plugin's; call delete then.
        """
        check_container_id(container_id)
        check_ifname(ifname)
        capabilities = _capabilities(port_mappings, capability_args)
        answer: result.Result | None = None
        for plugin in network.plugins:
            previous = result.convert(answer, network.version) if answer is not None else None
            config = network.plugin_config(plugin, capabilities, previous)
            answer = self._run(plugin["type"], self._call("ADD", config, container_id, netns_path, ifname, args))
        answer = answer or {"dns": {}}
        self._cache.save(
            {
                "containerId": container_id,
                "config": _base64(network.raw),
                "ifName": ifname,
                "networkName": network.name,
                "netns": netns_path,
                "cniArgs": [[key, value] for key, value in (args or {}).items()],
                "capabilityArgs": capabilities,
                "result": result.convert(answer, network.version),
            }
        )
        return answer

    def delete(
        self,
        network: Network | None,
        container_id: str,
        netns_path: str,
        ifname: str = "eth0",
        *,
        port_mappings: list[dict[str, Any]] | None = None,
        args: dict[str, str] | None = None,
        capability_args: dict[str, Any] | None = None,
        name: str = "",
    ) -> None:
        """Detach a container, as often as wanted; an empty or vanished namespace is fine.

        The configuration that it was attached with is used where it is cached: the network may have changed since.

        Args:
            network: The network; None if only the cache knows it, by `name`.
            container_id: The container.
            netns_path: Its network namespace, or an empty string.
            ifname: The interface.
            port_mappings: As in add; those of add are cached.
            args: As in add; those of add are cached.
            capability_args: As in add; those of add are cached.
            name: The network's name, where network is None.

        Raises:
            CNIError: the first that a plugin raised; the other plugins were called nevertheless.
        """
        network_name = network.name if network is not None else name
        entry = self._cache.load(network_name, container_id, ifname) or {}
        used = _cached_network(entry) or network
        if used is None:
            return
        capabilities = _capabilities(port_mappings, capability_args) or entry.get("capabilityArgs") or {}
        arguments = args or dict(entry.get("cniArgs") or [])
        previous = entry.get("result") if at_least(used.version, CHECK_SINCE) else None
        failure: CNIError | None = None
        for plugin in reversed(used.plugins):
            config = used.plugin_config(plugin, capabilities, previous)
            try:
                self._run(plugin["type"], self._call("DEL", config, container_id, netns_path, ifname, arguments))
            except CNIError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        self._cache.remove(network_name, container_id, ifname)

    def check(self, network: Network, container_id: str, netns_path: str, ifname: str = "eth0") -> None:
        """Raise unless an attachment is as ADD left it.

        Raises:
            CNIError: what is amiss.
        """
        if not at_least(network.version, CHECK_SINCE):
            raise CNIError(1, f'configuration version "{network.version}" does not support CHECK')
        if network.disable_check:
            return
        entry = self._cache.load(network.name, container_id, ifname)
        if entry is None:
            raise CNIError(3, f"container {container_id} is not attached to {network.name} as {ifname}")
        arguments = dict(entry.get("cniArgs") or [])
        for plugin in network.plugins:
            config = network.plugin_config(plugin, entry.get("capabilityArgs") or {}, entry.get("result"))
            self._run(plugin["type"], self._call("CHECK", config, container_id, netns_path, ifname, arguments))

    def gc(self, network: Network, valid: Iterable[tuple[str, str]]) -> None:
        """Remove what is left of attachments that are not in the list of (container id, interface).

        Raises:
            CNIError: the first that a plugin raised; all else was done nevertheless.
        """
        keep = set(valid)
        if network.disable_gc:
            return
        failure: CNIError | None = None
        for entry in self._cache.all():
            attachment = (str(entry.get("containerId")), str(entry.get("ifName")))
            if entry.get("networkName") != network.name or attachment in keep:
                continue
            try:
                self.delete(network, attachment[0], str(entry.get("netns") or ""), attachment[1])
            except CNIError as error:
                failure = failure or error
        self._cache.sweep()
        listed = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in sorted(keep)]
        for plugin in network.plugins:
            config = network.plugin_config(plugin, {}, None)
            config["cni.dev/valid-attachments"] = config["cni.dev/attachments"] = listed
            try:
                self._run_since_1_1(plugin["type"], self._call("GC", config))
            except CNIError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def status(self, network: Network) -> None:
        """Raise unless the network's plugins could attach a container.

        Raises:
            CNIError: why not.
        """
        for plugin in network.plugins:
            self._run_since_1_1(plugin["type"], self._call("STATUS", network.plugin_config(plugin, {}, None)))

    def attachments(self) -> list[tuple[str, str, str]]:
        """The cached attachments: network, container id, interface."""
        return [(entry["networkName"], entry["containerId"], entry["ifName"]) for entry in self._cache.all()]

    def _call(
        self,
        command: str,
        config: dict[str, Any],
        container_id: str = "",
        netns_path: str = "",
        ifname: str = "",
        args: dict[str, str] | None = None,
    ) -> Call:
        return Call(
            command, config, container_id=container_id, netns=netns_path, ifname=ifname, args=args, path=self._path
        )

    def _ours(self, kind: str) -> bool:
        return self._in_process and in_process.has(kind)

    def _run(self, kind: str, call: Call) -> result.Result | None:
        return in_process.run(kind, call) if self._ours(kind) else executable.run(kind, call)

    def _run_since_1_1(self, kind: str, call: Call) -> None:
        if self._ours(kind):
            in_process.run(kind, call, any_version=True)
        elif at_least(call.version, GC_SINCE):
            executable.run(kind, call)


def _capabilities(port_mappings: list[dict[str, Any]] | None, more: dict[str, Any] | None) -> dict[str, Any]:
    found = dict(more or {})
    if port_mappings:
        found["portMappings"] = port_mappings
    return found


def _base64(document: dict[str, Any]) -> str:
    from binascii import b2a_base64

    from cni import documents

    return b2a_base64(documents.dumps(document).encode(), newline=False).decode()


def _cached_network(entry: dict[str, Any]) -> Network | None:
    from binascii import a2b_base64

    from cni import documents

    if not entry.get("config"):
        return None
    try:
        return Network(documents.loads(a2b_base64(entry["config"])))
    except (CNIError, ValueError):
        return None


def container_id_for(netns_path: str) -> str:
    """The container id of somebody who has only a namespace's path: that which cnitool has for it."""
    from hashlib import sha512

    return f"cnitool-{sha512(netns_path.encode()).hexdigest()[:20]}"


def arguments(text: str) -> dict[str, str]:
    """CNI_ARGS as a mapping."""
    return parse_args(text)


if __name__ == "__main__":
    import sys

    from cni.command_line import run

    raise SystemExit(run(sys.argv[1:]))
