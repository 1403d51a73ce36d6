"""The library by hand, as cnitool: `python -m cni.library add|del|check|gc|status NETWORK [NETNS]`, and `install`.

Environment: NETCONFPATH (configuration directory), CNI_PATH (executables), CNI_ARGS, CNI_IFNAME, CAP_ARGS (JSON of
capability arguments), CNI_CONTAINERID, CNI_CACHE_DIR.
"""

from __future__ import annotations

import os
import sys

from cni import documents, library, result
from cni.errors import DECODING_FAILURE, CNIError, from_exception
from cni.network import DEFAULT_DIRECTORY, Network
from cni.plugins import registry

_USAGE = """usage: cni add    NETWORK NETNS     attach a network namespace, print the result
       cni check  NETWORK NETNS     see whether all is as it was made
       cni del    NETWORK NETNS     detach it
       cni gc     NETWORK [CID:IFNAME ...]   remove all but these attachments
       cni status NETWORK           see whether the network can take containers
       cni install DIR              write the plugins into DIR as executables
       cni PLUGIN                   be that plugin

NETWORK is the name in a file of $NETCONFPATH (/etc/cni/net.d), NETNS a path such as /run/netns/NAME.
Further environment: CNI_PATH, CNI_ARGS, CNI_IFNAME (eth0), CNI_CONTAINERID, CNI_CACHE_DIR,
CAP_ARGS='{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}'
"""
_WITH_NETNS = ("add", "check", "del")
_COMMANDS = (*_WITH_NETNS, "gc", "status", "install")


def run(words: list[str]) -> int:
    """Carry out a command. Returns the exit status."""
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_USAGE)
        return 0
    wanted = 3 if words[0] in _WITH_NETNS else 2
    if words[0] not in _COMMANDS or len(words) < wanted:
        sys.stderr.write(_USAGE)
        return 2
    try:
        if words[0] == "install":
            return install(words[1])
        return _run(words)
    except (CNIError, OSError, ValueError) as error:
        sys.stderr.write(documents.dumps(from_exception(error).to_json("1.1.0")) + "\n")
        return 1


def _run(words: list[str]) -> int:
    environment = os.environ
    directory = environment.get("NETCONFPATH") or DEFAULT_DIRECTORY
    network = Network.load(directory, words[1])
    if network is None:
        raise CNIError(DECODING_FAILURE, f"no network with the name {words[1]} in {directory}")
    path = [one for one in (environment.get("CNI_PATH") or "/opt/cni/bin").split(":") if one]
    tool = library.Library(path, environment.get("CNI_CACHE_DIR", ""))
    ifname = environment.get("CNI_IFNAME") or "eth0"
    if words[0] == "status":
        tool.status(network)
    elif words[0] == "gc":
        tool.gc(network, [(one.partition(":")[0], one.partition(":")[2] or ifname) for one in words[2:]])
    else:
        netns = os.path.abspath(words[2])
        container_id = environment.get("CNI_CONTAINERID") or library.container_id_for(netns)
        arguments = library.arguments(environment.get("CNI_ARGS", ""))
        capabilities = documents.loads(environment.get("CAP_ARGS") or "{}")
        if words[0] == "check":
            tool.check(network, container_id, netns, ifname)
        elif words[0] == "del":
            tool.delete(network, container_id, netns, ifname, args=arguments, capability_args=capabilities)
        else:
            answer = tool.add(network, container_id, netns, ifname, args=arguments, capability_args=capabilities)
            sys.stdout.write(documents.dumps(result.convert(answer, network.version)) + "\n")
    return 0


_SCRIPT = """#!{python} -ISEB
# The CNI plugin {kind} of minikube-py: written by `minikube-py cni install`.
import os
import sys
sys.path.insert(0, {tree!r})
from cni import skel
status = skel.main({kind!r})
sys.stderr.flush()
os._exit(status)  # taking the interpreter down in order would cost two milliseconds more
"""
_DHCP_SCRIPT = _SCRIPT.replace(
    "from cni import skel",
    """if sys.argv[1:2] == ["daemon"]:
    from cni.plugins.dhcp.daemon import run_command
    raise SystemExit(run_command(sys.argv[2:]))
from cni import skel""",
)


def install(directory: str) -> int:
    """Write an executable for each plugin."""
    import compileall

    from linux.files import atomic_write

    tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # The executables run without writing bytecode (-B), so it is made now: compiling would cost each call 100 ms.
    for package in ("cni", "linux"):
        compileall.compile_dir(f"{tree}/{package}", quiet=2)
    os.makedirs(directory, exist_ok=True)
    # The system's interpreter starts faster than one that was built at home; only the same version shares the bytecode.
    system = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    python = system if os.access(system, os.X_OK) else os.path.realpath(sys.executable)
    for kind in registry.PLUGINS:
        path = f"{directory.rstrip('/')}/{kind}"
        script = _DHCP_SCRIPT if kind == "dhcp" else _SCRIPT
        atomic_write(path, script.format(python=python, kind=kind, tree=tree).encode(), 0o755)
        sys.stdout.write(f"{path}\n")
    return 0
