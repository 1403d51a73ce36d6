"""flannel: makes the configuration of another plugin (bridge, as a rule) from what flannel's daemon writes.

The daemon's file names the cluster's network and this host's part of it. What was made of it is kept until DEL, since
the file may have changed or gone by then.
"""

from __future__ import annotations

import os

from cni import delegate, documents, state_file
from cni.errors import INTERNAL, INVALID_CONFIG, NOT_AVAILABLE, CNIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.result import Result

ABOUT = "configures another plugin from flannel's subnet file"
SHAPE = {
    "delegate": {"type": str},
    "ipam": {"type": str, "ranges": [[{}]], "routes": [{}]},
    "subnetFile": str,
    "dataDir": str,
}
_SUBNET_FILE = "/run/flannel/subnet.env"
_DATA_DIR = "/var/lib/cni/flannel"


class Subnet:
    """What flannel's daemon says."""

    __slots__ = ("ip_masq", "mtu", "networks", "subnets")

    def __init__(self, text: str) -> None:
        self.networks: list[str] = []
        self.subnets: list[str] = []
        self.mtu: int | None = None
        self.ip_masq: bool | None = None
        for line in text.splitlines():
            key, equals, value = line.strip().partition("=")
            value = value.strip().strip('"')
            if not equals:
                continue
            if key in ("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"):
                self.networks += [one.strip() for one in value.split(",") if one.strip()]
            elif key in ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"):
                self.subnets.append(value)
            elif key == "FLANNEL_MTU":
                self.mtu = int(value)
            elif key == "FLANNEL_IPMASQ":
                self.ip_masq = value == "true"
        missing = [
            name
            for name, there in (
                ("FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK", self.networks),
                ("FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET", self.subnets),
                ("FLANNEL_MTU", self.mtu is not None),
                ("FLANNEL_IPMASQ", self.ip_masq is not None),
            )
            if not there
        ]
        if missing:
            raise CNIError(INVALID_CONFIG, f"subnet file is missing {', '.join(missing)}")


def _load(call: Call) -> Subnet:
    path = call.text("subnetFile") or _SUBNET_FILE
    try:
        with open(path, encoding="utf-8") as file:
            return Subnet(file.read())
    except OSError as error:
        raise CNIError(INTERNAL, f"loadFlannelSubnetEnv failed: {error}") from error


def rendered(call: Call, subnet: Subnet) -> dict[str, Any]:
    """The configuration of the plugin that does the work."""
    made = dict(call.mapping("delegate"))
    for forbidden in ("name", "ipam"):
        if forbidden in made:
            raise CNIError(
                INVALID_CONFIG, f"'delegate' dictionary must not have '{forbidden}' field, it'll be set by flannel"
            )
    made["name"] = call.name
    made["cniVersion"] = call.version
    made.setdefault("type", "bridge")
    made.setdefault("mtu", subnet.mtu)
    made.setdefault("ipMasq", not subnet.ip_masq)
    if made["type"] == "bridge":
        made.setdefault("isGateway", True)
    if call.runtime_config:
        made["runtimeConfig"] = call.runtime_config
    ipam = dict(call.ipam)
    ipam.setdefault("type", "host-local")
    ipam["ranges"] = [*(ipam.get("ranges") or []), *([{"subnet": _network(one)}] for one in subnet.subnets)]
    ipam["routes"] = [*(ipam.get("routes") or []), *({"dst": one} for one in subnet.networks)]
    made["ipam"] = ipam
    return made


def _network(cidr: str) -> str:
    from linux import addresses

    return addresses.network_text(cidr)


def _saved_path(call: Call) -> str:
    return f"{call.text('dataDir') or _DATA_DIR}/{call.container_id}"


def add(call: Call) -> Result:
    """Render, keep and delegate."""
    made = rendered(call, _load(call))
    state_file.save(_saved_path(call), documents.dumps(made).encode())
    return delegate.run(made["type"], call.with_config(made)) or {"dns": {}}


def _saved(call: Call) -> dict[str, Any] | None:
    try:
        with open(_saved_path(call), "rb") as file:
            found = documents.loads(file.read())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def delete(call: Call) -> None:
    """Let the other plugin delete with the configuration it was given; without one there is nothing."""
    made = _saved(call)
    if made is None:
        return
    if call.config.get("prevResult") is not None:
        made["prevResult"] = call.config["prevResult"]
    delegate.run(made["type"], call.with_config(made))
    state_file.remove(_saved_path(call))


def check(call: Call) -> None:
    """Let the other plugin check with the configuration it was given."""
    made = _saved(call)
    if made is not None:
        made["prevResult"] = call.config.get("prevResult")
        delegate.run(made["type"], call.with_config(made))


def gc(call: Call) -> None:
    """Let the other plugin collect, and forget what was kept for attachments that are no more."""
    from cni.attachment import valid_attachments

    keep = {container_id for container_id, _ in valid_attachments(call.config)}
    directory = os.path.dirname(_saved_path(call))
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if name in keep:
            continue
        try:
            with open(f"{directory}/{name}", "rb") as file:
                mine = documents.loads(file.read()).get("name") == call.name
        except (OSError, ValueError, AttributeError):
            continue
        if mine:
            os.unlink(f"{directory}/{name}")
    made = rendered(call, _load(call))
    for key in ("cni.dev/valid-attachments", "cni.dev/attachments"):
        if key in call.config:
            made[key] = call.config[key]
    delegate.run(made["type"], call.with_config(made))


def status(call: Call) -> None:
    """Raise unless flannel's daemon has written its file."""
    try:
        made = rendered(call, _load(call))
    except CNIError as error:
        raise CNIError(NOT_AVAILABLE, error.msg, error.details) from error
    delegate.run(made["type"], call.with_config(made))
