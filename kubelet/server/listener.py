"""Listens: HTTPS on the kubelet's port, plain health on the local one, and the read-only port if one is set."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from component.serving import serve_app, server_ssl_context
from kubelet.server.auth import Auth
from kubelet.server.container_logs import ContainerLogs
from kubelet.server.exec import Streams
from kubelet.server.resource_metrics import Metrics
from kubelet.server.routes import ServerParts, application, health_application
from kubelet.server.stats_summary import StatsSummary

if TYPE_CHECKING:
    from kubelet.kubelet import Kubelet


class Listener:
    """Serves the parts of one kubelet."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._config = kubelet.config
        self._options = kubelet.options
        self._root = kubelet.root
        self._identity = kubelet.identity
        stats = StatsSummary(kubelet.stats, kubelet.identity.name, kubelet.root)
        workers, cache = kubelet.workers, kubelet.cache

        def counts() -> dict[str, float]:
            pods = workers.pods()
            running = [s for u in cache.uids() if (s := cache.peek(u)) is not None]
            return {
                "kubelet_running_pods": float(sum(1 for s in running if s.ready_sandbox)),
                "kubelet_running_containers": float(sum(len(s.running) for s in running)),
                "kubelet_desired_pods": float(len(pods)),
            }

        def started(container: str) -> float:
            states = (s for u in cache.uids() if (s := cache.peek(u)) is not None)
            return next((c.started_at / 1e9 for s in states for c in s.containers if c.id == container), 0.0)

        self._app = application(
            ServerParts(
                workers=workers,
                auth=Auth(kubelet.client, kubelet.identity.name, kubelet.config),
                logs=ContainerLogs(workers, cache, kubelet.cri, kubelet.clock),
                streams=Streams(workers, cache, kubelet.cri),
                stats=stats,
                metrics=Metrics(stats, counts, started),
                config=kubelet.config,
            )
        )

    async def run(self) -> None:
        """Listen until cancelled."""
        config = self._config
        if not config.enableServer:
            await asyncio.Event().wait()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serve_app(self._app, config.address, config.port, self._tls()))
            if config.healthzPort:
                health = serve_app(health_application(), config.healthzBindAddress, config.healthzPort)
                await stack.enter_async_context(health)
            await asyncio.Event().wait()

    def _tls(self) -> ssl.SSLContext:
        certificate = self._options.tls_cert_file or self._config.tlsCertFile
        key = self._options.tls_private_key_file or self._config.tlsPrivateKeyFile
        if not certificate:
            certificate, key = self._self_signed()
        context = server_ssl_context(certificate, key, self._config.client_ca() or None)
        if self._config.client_ca():
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _self_signed(self) -> tuple[str, str]:
        from component.certificates import CertificateAuthority, write_secret_file

        directory = self._root / "pki"
        directory.mkdir(parents=True, exist_ok=True)
        certificate, key = directory / "kubelet.crt", directory / "kubelet.key"
        if not certificate.exists() or not key.exists():
            name = self._identity.name
            authority = CertificateAuthority.create(f"{name}-ca@kubelet")
            pems = authority.issue(name, dns=(name,), ips=self._identity.addresses, usage="server")
            write_secret_file(str(key), pems[1])
            Path(certificate).write_bytes(pems[0])
        return str(certificate), str(key)
