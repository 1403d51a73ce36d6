"""Connects sandboxes to the CNI network, and frees what they held.

Talks to ``cni.library`` (synchronous; called in a thread). Promises: a failed ADD is followed by DEL; DEL succeeds when
the network namespace or the configuration has gone; at start, attachments of sandboxes that no longer exist are
collected, so that addresses don't leak over a reboot.
"""

import contextlib
import pathlib
import threading
from typing import Any

from cni.errors import CNIError
from cni.library import Library, Network
from component.logging import get_logger
from cri import errors
from protocols.cri import api_pb2

_log = get_logger("network")
INTERFACE = "eth0"
_PROTOCOLS = {api_pb2.TCP: "tcp", api_pb2.UDP: "udp", api_pb2.SCTP: "sctp"}


class Networks:
    """The network configuration and what is attached to it."""

    def __init__(self, config_dir: str, plugin_dirs: tuple[str, ...], cache_dir: str, default: str = "") -> None:
        """Name the directories, which are read when needed, and the network to use: without a name the first one."""
        self._default = default
        self._config_dir = pathlib.Path(config_dir)
        self._library = Library(list(plugin_dirs), cache_dir)
        self._lock = threading.Lock()
        self._network: Network | None = None
        self._stamp: tuple[Any, ...] = ()

    def network(self) -> Network | None:
        """The network of new pods; None until there is a configuration.

        Raises:
            Unavailable: there is one, but it is not valid.
        """
        stamp = self._look()
        with self._lock:
            if stamp != self._stamp:
                try:
                    self._network = Network.load(str(self._config_dir), self._default)
                except (CNIError, OSError, ValueError) as error:
                    raise errors.Unavailable(
                        f"CNI configuration in {self._config_dir} is not valid: {error}"
                    ) from error
                self._stamp = stamp
            return self._network

    def problem(self) -> str:
        """Why the network is not ready; empty when it is."""
        try:
            network = self.network()
            if network is None:
                return self._missing()
            self._library.status(network)
        except errors.Unavailable as error:
            return str(error)
        except CNIError as error:
            return f"the network is not ready: {error}"
        return ""

    def _missing(self) -> str:
        if self._default:
            return f"No CNI network {self._default!r} in {self._config_dir}. Has your network provider started?"
        return f"No CNI configuration file in {self._config_dir}. Has your network provider started?"

    def attach(self, sandbox_id: str, config: api_pb2.PodSandboxConfig, netns: str) -> tuple[str, list[str]]:
        """ADD a sandbox; returns the network's name and the pod's addresses, IPv4 first.

        Raises:
            Unavailable: there is no network yet.
            Internal: a plugin failed; the message is the plugin's.
        """
        network = self.network()
        if network is None:
            raise errors.Unavailable(self._missing())
        try:
            result = self._library.add(
                network,
                sandbox_id,
                netns,
                INTERFACE,
                port_mappings=port_mappings(config),
                args=arguments(sandbox_id, config),
            )
        except CNIError as error:
            self._detach_quietly(network, sandbox_id, config, netns)
            raise errors.Internal(f"failed to set up the network of pod {pod_name(config)}: {error}") from error
        addresses = [ip["address"].split("/")[0] for ip in result.get("ips") or []]
        return network.name, sorted(addresses, key=lambda address: ":" in address)

    def detach(self, sandbox_id: str, config: api_pb2.PodSandboxConfig, netns: str, name: str) -> None:
        """DEL a sandbox from the network of that name; what is gone already is fine.

        The configuration may have gone or changed since: then the one that was cached at ADD is used.

        Raises:
            Internal: a plugin failed although its network is there.
        """
        network: Network | None = None
        with contextlib.suppress(errors.Unavailable):
            network = self.network()
        if network is not None and name and network.name != name:
            network = None
        if network is None and not name:
            _log.warning("No CNI configuration to delete a pod from", pod=pod_name(config))
            return
        path = netns if pathlib.Path(netns).exists() else ""
        try:
            self._library.delete(
                network,
                sandbox_id,
                path,
                INTERFACE,
                port_mappings=port_mappings(config),
                args=arguments(sandbox_id, config),
                name=name,
            )
        except CNIError as error:
            raise errors.Internal(f"failed to tear down the network of pod {pod_name(config)}: {error}") from error

    def _detach_quietly(self, network: Network, sandbox_id: str, config: api_pb2.PodSandboxConfig, netns: str) -> None:
        try:
            self._library.delete(network, sandbox_id, netns, INTERFACE, port_mappings=port_mappings(config))
        except CNIError as error:
            _log.warning("CNI DEL after a failed ADD failed too", pod=pod_name(config), cause=str(error))

    def collect(self, valid: list[str]) -> None:
        """Free what belongs to sandboxes that are not in ``valid``."""
        network: Network | None = None
        with contextlib.suppress(errors.Unavailable):
            network = self.network()
        if network is None:
            return
        try:
            self._library.gc(network, [(sandbox_id, INTERFACE) for sandbox_id in valid])
        except CNIError as error:
            _log.warning("CNI garbage collection failed", cause=str(error))

    def _look(self) -> tuple[Any, ...]:
        try:
            entries = sorted(self._config_dir.iterdir())
            return tuple((e.name, s.st_mtime_ns, s.st_size, s.st_ino) for e in entries for s in (e.stat(),))
        except OSError:
            return ("absent",)


def port_mappings(config: api_pb2.PodSandboxConfig) -> list[dict[str, Any]]:
    """Host ports as the portmap plugin wants them."""
    return [
        {
            "hostPort": mapping.host_port,
            "containerPort": mapping.container_port,
            "protocol": _PROTOCOLS[mapping.protocol],
            "hostIP": mapping.host_ip,
        }
        for mapping in config.port_mappings
        if mapping.host_port > 0
    ]


def arguments(sandbox_id: str, config: api_pb2.PodSandboxConfig) -> dict[str, str]:
    """CNI_ARGS, as other Kubernetes runtimes set them."""
    return {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": config.metadata.namespace,
        "K8S_POD_NAME": config.metadata.name,
        "K8S_POD_INFRA_CONTAINER_ID": sandbox_id,
        "K8S_POD_UID": config.metadata.uid,
    }


def pod_name(config: api_pb2.PodSandboxConfig) -> str:
    """``namespace/name``."""
    return f"{config.metadata.namespace}/{config.metadata.name}"
