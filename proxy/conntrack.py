"""Stale connection-tracking entries of UDP: which to forget, and forgetting them.

A UDP client keeps its entry alive by sending; it would go on reaching a gone endpoint, or
the unreachable cluster address itself, for as long as it talks. Deciding is pure; the
`conntrack` tool does the forgetting.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from component.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.service_map import ServicePort

_LOG = get_logger("conntrack")


@dataclass(frozen=True, slots=True, order=True)
class StaleFlow:
    """Flows to forget: those to a port (of an address), or only those that went to one endpoint."""

    port: int
    address: str = ""
    endpoint: str = ""

    def arguments(self) -> list[str]:
        """The `conntrack` command line."""
        words = ["-D", "-p", "udp", "--orig-port-dst", str(self.port)]
        if self.address:
            words += ["--orig-dst", self.address]
        if self.endpoint:
            words += ["--reply-src", self.endpoint]
        return [*words, "-f", "ipv6"] if ":" in (self.address or self.endpoint) else words


def stale_flows(before: Iterable[ServicePort], after: Iterable[ServicePort]) -> set[StaleFlow]:
    """What a change of a Service makes stale."""
    old = {port.key: port for port in before if port.protocol == "udp"}
    new = {port.key: port for port in after if port.protocol == "udp"}
    stale: set[StaleFlow] = set()
    for key, was in old.items():
        now = new.get(key)
        kept = {e.address for e in now.all_endpoints} if now is not None else set()
        for address in {e.address for e in was.all_endpoints} - kept:
            stale |= {StaleFlow(port, entry, address) for entry, port in _entries(was)}
    for key, now in new.items():
        previous = old.get(key)
        if now.all_endpoints and (previous is None or not previous.all_endpoints):
            # Entries from the time without endpoints lead nowhere and would never be looked up again.
            stale |= {StaleFlow(port, entry) for entry, port in _entries(now)}
    return stale


def _entries(port: ServicePort) -> list[tuple[str, int]]:
    entries = [(address, port.port) for address in (port.cluster_ip, *port.external_addresses)]
    return [*entries, ("", port.node_port)] if port.node_port else entries


async def forget(flows: Iterable[StaleFlow]) -> None:
    """Deletes the flows; that there are none is no error."""
    tool = shutil.which("conntrack") or shutil.which("conntrack", path="/usr/sbin:/sbin")
    if tool is None:
        _LOG.warning("Stale UDP flows are kept: the conntrack tool is not installed")
        return
    for flow in sorted(flows):
        process = await asyncio.create_subprocess_exec(
            tool, *flow.arguments(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        await process.wait()
