"""`python -m addons.dns`: resolves the names of Services and pods, and forwards the rest."""

import asyncio
import contextlib
import errno
from functools import partial

from addons.dns.cluster_service import NAME, NAMESPACE, ClusterService
from addons.dns.cluster_view import InformerView
from addons.dns.forward import Forwarder
from addons.dns.options import Options
from addons.dns.records import Zone
from addons.dns.server import DatagramServer, Resolver, serve_stream
from apimachinery.client.informer import Event, InformerFactory
from apimachinery.client.rest import Client
from apimachinery.objects import metadata
from component.flags import parse
from component.logging import get_logger
from component.program import run
from component.tasks import Tasks

_LOG = get_logger("main")
_BIND_TRIES = 50


async def serve(options: Options) -> None:
    """Runs until cancelled; takes its address from the interface again at the end."""
    if options.interface:
        from linux import links

        width = 128 if ":" in options.listen_address else 32
        address = f"{options.listen_address}/{width}"
        links.add_address(options.interface, address)
        try:
            await _serve(options)
        finally:
            with contextlib.suppress(OSError):
                links.del_address(options.interface, address)
    else:
        await _serve(options)


async def _serve(options: Options) -> None:
    client = Client.from_kubeconfig(options.kubeconfig, user_agent="minikube-py-dns")
    factory = InformerFactory(client)
    view = InformerView(factory)
    zone = Zone(options.cluster_domain, options.listen_address, view)
    forwarder = Forwarder(options.resolv_conf, {options.listen_address}, options.upstream_port)
    cluster_service = ClusterService(client, options.listen_address, options.port)

    def watch_own(event: Event) -> None:
        if (metadata.namespace(event.new), metadata.name(event.new)) == (NAMESPACE, NAME):
            cluster_service.look_again()

    for resource in ("services", "endpointslices.discovery.k8s.io"):
        factory.informer(resource).add_handler(watch_own)
    try:
        async with Tasks() as tasks:
            resolver = Resolver(zone, forwarder, lambda: view.synced, tasks)
            server = await _listen(options, resolver)
            tasks.spawn(factory.run, name="informers")
            tasks.spawn(cluster_service.run, name="service", restart=True)
            _LOG.info("Serving names", domain=zone.domain, address=options.listen_address, port=options.port)
            async with server:
                await tasks.wait()
    finally:
        await client.close()


async def _listen(options: Options, resolver: Resolver) -> asyncio.Server:
    """Binds both sockets; a predecessor that is just ending may still hold them."""
    loop = asyncio.get_running_loop()
    where = (options.listen_address, options.port)
    attempt = 0
    while True:
        try:
            transport, _ = await loop.create_datagram_endpoint(partial(DatagramServer, resolver), local_addr=where)
            try:
                return await asyncio.start_server(partial(serve_stream, resolver), *where)
            except OSError:
                transport.close()
                raise
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) or attempt >= _BIND_TRIES:
                raise
            attempt += 1
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    run("dns", serve, parse(Options, None, prog="dns", description=__doc__ or ""))
