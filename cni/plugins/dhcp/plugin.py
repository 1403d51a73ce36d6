"""dhcp: addresses from a DHCP server on the network; asks the daemon that holds the leases."""

from __future__ import annotations

from cni import documents
from cni.attachment import valid_attachments
from cni.errors import INTERNAL, NOT_AVAILABLE, CNIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.result import Result

ABOUT = "gives addresses that a DHCP server leases; needs `dhcp daemon`"
SHAPE = {"ipam": {"daemonSocketPath": str, "priority": int, "request": [{}], "provide": [{}]}}
_SOCKET_PATH = "/run/cni/dhcp.sock"
_TIMEOUT_SECONDS = 60.0


def _ask(call: Call, question: dict[str, Any]) -> dict[str, Any]:
    import socket

    path = str(call.ipam.get("daemonSocketPath") or _SOCKET_PATH)
    question = {"network": call.name, "containerID": call.container_id, "ifname": call.ifname, **question}
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(path)
            connection.sendall(documents.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = documents.loads(lines.readline() or b"{}")
    except (OSError, ValueError) as error:
        raise CNIError(INTERNAL, f"error dialing DHCP daemon at {path}: {error}") from error
    failure = answer.get("error")
    if failure:
        raise CNIError(int(failure.get("code") or INTERNAL), f"error calling DHCP: {failure.get('msg')}")
    return dict(answer.get("result") or {})


def add(call: Call) -> Result:
    """Get a lease for the interface, which must exist."""
    question = {"command": "ADD", "netns": call.netns, "ipam": call.ipam, "args": call.args}
    question["ip"] = call.args.get("IP", "")
    answer = _ask(call, question)
    priority = call.ipam.get("priority")
    if priority:
        answer["routes"] = [{**route, "priority": int(priority)} for route in answer.get("routes") or []]
    return answer


def delete(call: Call) -> None:
    """Give the lease back."""
    _ask(call, {"command": "DEL"})


def check(call: Call) -> None:
    """Raise unless the daemon holds the lease."""
    _ask(call, {"command": "CHECK"})


def gc(call: Call) -> None:
    """Give the leases of attachments that are no more back."""
    _ask(call, {"command": "GC", "valid": valid_attachments(call.config)})


def status(call: Call) -> None:
    """Raise unless the daemon answers."""
    try:
        _ask(call, {"command": "GC", "network": "", "valid": []})
    except CNIError as error:
        raise CNIError(NOT_AVAILABLE, error.msg, error.details) from error
