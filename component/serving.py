"""Listening: TLS contexts, and an aiohttp application on one or several addresses."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

_SHUTDOWN_SECONDS = 2.0
_BACKLOG = 1024


def server_ssl_context(
    certificate: str, key: str, client_ca: str | None = None, *, demand_client: bool = False
) -> ssl.SSLContext:
    """A server's TLS context.

    Args:
        certificate: Its certificate's file, with the chain.
        key: Its key's file.
        client_ca: Authorities whose client certificates are accepted (asked for, not demanded).
        demand_client: Refuse clients without a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if demand_client else ssl.CERT_OPTIONAL
    return context


def client_ssl_context(
    ca: str | None = None, certificate: str | None = None, key: str | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """A client's TLS context.

    Args:
        ca: Authorities that may vouch for the server; None for the system's.
        certificate: The client's certificate file, if it has one.
        key: Its key's file.
        verify: Check the server's certificate and name.
    """
    context = ssl.create_default_context(cafile=ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


@asynccontextmanager
async def serve_app(
    app: "web.Application",
    hosts: str | Sequence[str],
    port: int,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serve an application while in the block; gives the port (useful where 0 was asked for).

    Raises:
        OSError: if an address can't be listened on.
    """
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        chosen = port
        for host in [hosts] if isinstance(hosts, str) else hosts:
            site = web.TCPSite(runner, host, chosen, ssl_context=tls, backlog=_BACKLOG, reuse_address=True)
            await site.start()
            chosen = chosen or runner.addresses[0][1]
        yield chosen
    finally:
        async with asyncio.timeout(_SHUTDOWN_SECONDS * 2):
            await runner.cleanup()
