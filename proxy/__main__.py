"""`python -m proxy`: makes Services reachable on this node with nftables, as kube-proxy does."""

import asyncio
import ipaddress
import socket
from functools import partial

from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from component.clock import Clock
from component.flags import parse
from component.health import HealthServer
from component.logging import get_logger
from component.program import run
from component.tasks import Tasks
from proxy import metrics, node_setup
from proxy.options import Options
from proxy.rules import Settings
from proxy.sync import Syncer, remove_tables

_LOG = get_logger("main")


async def serve(options: Options) -> None:
    """Runs until cancelled. The rules stay: services go on working while the proxy restarts."""
    if options.cleanup:
        remove_tables(options.table)
        return
    clock = Clock()
    settings = _settings(options)
    for one in settings:
        node_setup.prepare(one.family)
    client = Client.from_kubeconfig(options.kubeconfig, user_agent="kube-proxy")
    factory = InformerFactory(client)
    node_name = options.hostname_override or socket.gethostname().lower()
    syncer = Syncer(factory, settings, node_name, clock, check_period=options.sync_period)
    health = HealthServer({"rules": syncer.health})
    exposed = HealthServer(metrics=metrics.REGISTRY)
    try:
        async with Tasks() as tasks:
            for name, server, address in (
                ("health", health, options.healthz_bind_address),
                ("metrics", exposed, options.metrics_bind_address),
            ):
                if address:
                    host, _, port = address.rpartition(":")
                    tasks.spawn(partial(server.serve, host.strip("[]"), int(port)), name=name, restart=True)
            tasks.spawn(factory.run, name="informers")
            await asyncio.sleep(0)
            await syncer.wait_for_sync()
            tasks.spawn(syncer.run, name="sync", restart=True)
            _LOG.info("Serving services", table=options.table, node=node_name)
            await tasks.wait()
    finally:
        await client.close()


def _settings(options: Options) -> list[Settings]:
    """One per IP family: IPv4 always, IPv6 where pods have it."""
    cidrs = {ipaddress.ip_network(text.strip(), strict=False) for text in options.cluster_cidr.split(",") if text}
    addresses = [ipaddress.ip_network(text, strict=False) for text in options.nodeport_addresses if text != "primary"]
    families = sorted({4} | {cidr.version for cidr in cidrs})
    made = []
    for family in families:
        cidr = next((str(cidr) for cidr in cidrs if cidr.version == family), "")
        node_ports = tuple(str(network) for network in addresses if network.version == family)
        if any(ipaddress.ip_network(text).is_loopback for text in node_ports) and family == 4:
            node_setup.allow_loopback_node_ports()
        masquerade = options.masquerade_all or not node_setup.bridge_is_tracked(family)
        made.append(Settings(options.table, family, cidr, node_ports, masquerade_pods=masquerade))
    return made


if __name__ == "__main__":
    run("proxy", serve, parse(Options, None, prog="proxy", description=__doc__ or ""))
