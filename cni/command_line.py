"""The library by hand, as cnitool: `python -m cni.library add|del|check|gc|status NETWORK [NETNS]`, and `install`."""

from __future__ import annotations

import os
import sys

from cni import documents, install, library, result, skel
from cni.config import check_container_id, check_ifname, check_network_name
from cni.errors import DECODING_FAILURE, INVALID_ENVIRONMENT, CNIError, from_exception
from cni.network import DEFAULT_DIRECTORY, Network
from cni.plugins import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_USAGE = """\
Networks for network namespaces, by hand. Here `cni` is short for `minikube-py cni` (or `python -m cni library`).

  cni add    NETWORK NETNS       attach a namespace; prints what it got
  cni check  NETWORK NETNS       say nothing if all is as it was made, else what is amiss
  cni del    NETWORK NETNS       detach it; may be repeated
  cni gc     NETWORK [KEEP ...]  detach all but those to keep, each a NETNS or CONTAINER:INTERFACE
  cni status NETWORK             say nothing if the network can take containers, else what it lacks
  cni install DIR                write the plugins into DIR as executables, for podman, containerd, CRI-O, ...
  cni PLUGIN                     be that plugin, as such an executable is: environment and stdin say what to do
  cni dhcp daemon [--help]       hold the leases of networks whose addresses come from DHCP

NETWORK is the "name" in a file of $NETCONFPATH; NETNS is a path such as /run/netns/NAME (`ip netns add NAME`).

  NETCONFPATH       where networks are: *.conflist, *.conf and *.json, by name (/etc/cni/net.d)
  CNI_PATH          where plugins that are not of this project are, separated by colons (/opt/cni/bin)
  CNI_IFNAME        the interface's name in the namespace (eth0)
  CNI_ARGS          KEY=VALUE;KEY=VALUE for the plugins, such as IP=10.1.0.7
  CAP_ARGS          what the runtime offers, in JSON: portMappings, bandwidth, ips, mac, dns, aliases
  CNI_CONTAINERID   the container's id (cnitool's, made of NETNS)
  CNI_CACHE_DIR     where results are kept (/var/lib/cni)

For example:

  echo '{"cniVersion": "1.1.0", "name": "lab", "plugins": [
    {"type": "bridge", "bridge": "lab0", "isGateway": true, "ipMasq": true,
     "ipam": {"type": "host-local", "subnet": "10.77.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}]}' > /etc/cni/net.d/lab.conflist
  ip netns add one
  CAP_ARGS='{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}' \\
    cni add lab /run/netns/one
  cni del lab /run/netns/one

Exit status: 0, 1 where something failed (told on stderr, with the code of the CNI specification), 2 where these words
were not understood.
"""
# Each command: how many words may follow it, and which. A namespace after status is cnitool's way.
_COMMANDS = {"add": (2, 2), "check": (2, 2), "del": (2, 2), "gc": (1, 1000), "status": (1, 2), "install": (1, 1)}
_TAKES = {
    **dict.fromkeys(("add", "check", "del"), "NETWORK NETNS"),
    "gc": "NETWORK [KEEP ...]",
    "status": "NETWORK",
    "install": "DIR",
}


def run(words: list[str]) -> int:
    """Carry out a command. Returns the exit status."""
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_USAGE)
        return 0
    command, *rest = words
    if command == "dhcp" and rest[:1] == ["daemon"]:
        from cni.plugins.dhcp.daemon import run_command

        return run_command(rest[1:])
    if command in registry.PLUGINS:
        return skel.main(command)
    if "-h" in rest or "--help" in rest:
        sys.stdout.write(_USAGE)
        return 0
    if command not in _COMMANDS:
        return _misunderstood(f"there is no command {command}")
    lowest, highest = _COMMANDS[command]
    if not lowest <= len(rest) <= highest:
        return _misunderstood(f"{command} takes {_TAKES[command]}")
    try:
        return install.install(rest[0]) if command == "install" else _Tool(rest[0]).run(command, rest[1:])
    except (CNIError, OSError, ValueError) as error:
        told = from_exception(error)
        sys.stderr.write(f"cni {command}: {told} (code {told.code})\n")
        return 1


def _misunderstood(why: str) -> int:
    sys.stderr.write(f"cni: {why}; see cni --help\n")
    return 2


class _Tool:
    """A network, and what the environment says of the call."""

    def __init__(self, name: str) -> None:
        environment = os.environ
        check_network_name(name)
        directory = environment.get("NETCONFPATH") or DEFAULT_DIRECTORY
        network = Network.load(directory, name)
        if network is None:
            raise CNIError(DECODING_FAILURE, f"no network with the name {name} in {directory}")
        self._network = network
        path = [one for one in (environment.get("CNI_PATH") or "/opt/cni/bin").split(":") if one]
        self._library = library.Library(path, environment.get("CNI_CACHE_DIR", ""))
        self._ifname = environment.get("CNI_IFNAME") or "eth0"
        check_ifname(self._ifname)

    def run(self, command: str, rest: list[str]) -> int:
        """Carry out one of the commands for a network."""
        if command == "status":
            self._library.status(self._network)
        elif command == "gc":
            self._library.gc(self._network, [self._attachment(word) for word in rest])
        else:
            self._attached(command, os.path.abspath(rest[0]))
        return 0

    def _attachment(self, word: str) -> tuple[str, str]:
        if "/" in word:
            return library.container_id_for(os.path.abspath(word)), self._ifname
        container_id, _, ifname = word.partition(":")
        check_container_id(container_id)
        return container_id, ifname or self._ifname

    def _attached(self, command: str, netns: str) -> None:
        container_id = os.environ.get("CNI_CONTAINERID") or library.container_id_for(netns)
        check_container_id(container_id)
        if command == "check":
            self._library.check(self._network, container_id, netns, self._ifname)
            return
        arguments, offered = library.arguments(os.environ.get("CNI_ARGS", "")), _offered()
        names = (self._network, container_id, netns, self._ifname)
        if command == "del":
            self._library.delete(*names, args=arguments, capability_args=offered)
        else:
            answer = self._library.add(*names, args=arguments, capability_args=offered)
            sys.stdout.write(documents.dumps(result.convert(answer, self._network.version)) + "\n")


def _offered() -> dict[str, Any]:
    text = os.environ.get("CAP_ARGS") or "{}"
    try:
        offered = documents.loads(text)
    except (ValueError, RecursionError) as error:
        raise CNIError(INVALID_ENVIRONMENT, f"CAP_ARGS is no JSON: {error}") from error
    if not isinstance(offered, dict):
        raise CNIError(INVALID_ENVIRONMENT, "CAP_ARGS is no JSON object")
    return offered
