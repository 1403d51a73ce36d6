"""One plugin calling another (IPAM, flannel's bridge): ours as a function, others as executables."""

from __future__ import annotations

from cni import executable, in_process
from cni.config import Call
from cni.errors import INVALID_CONFIG, CNIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.result import Result


def run(kind: str, call: Call) -> Result | None:
    """Call a plugin with the caller's own parameters."""
    if in_process.has(kind):
        return in_process.run(kind, call, any_version=True)
    return executable.run(kind, call)


def ipam_type(call: Call) -> str:
    """The type of the configuration's IPAM; empty where there is none."""
    return str(call.ipam.get("type") or "")


def ipam_add(call: Call) -> Result:
    """Ask the IPAM plugin for addresses.

    Raises:
        CNIError: the plugin's, or that it gave no address.
    """
    answer = run(ipam_type(call), call.with_config(call.config, "ADD"))
    if not answer or not answer.get("ips"):
        ipam_delete(call)
        raise CNIError(INVALID_CONFIG, "IPAM plugin returned missing IP config")
    return answer


def ipam_delete(call: Call) -> None:
    """Give the addresses back."""
    if ipam_type(call):
        run(ipam_type(call), call.with_config(call.config, "DEL"))


def ipam_needs_link(call: Call) -> bool:
    """Whether addresses are given back through the container's interface (DHCP), so while it is still there."""
    return ipam_type(call) == "dhcp"


def ipam_check(call: Call) -> None:
    """Let the IPAM plugin check that the addresses are still held."""
    if ipam_type(call):
        run(ipam_type(call), call.with_config(call.config, "CHECK"))


def ipam_pass(call: Call) -> None:
    """Hand GC or STATUS on to the IPAM plugin."""
    if ipam_type(call):
        run(ipam_type(call), call)
