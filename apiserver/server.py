"""The API server put together: storage, registry, admission, endpoints, filters, listeners.

Everything starts at once: the caches are filled by one read of etcd, then the server listens; what takes longer
(bootstrap roles, the first OpenAPI document) is made while it already answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from apimachinery.client.events import EventRecorder
from apimachinery.objects.times import now_rfc3339
from apimachinery.resources import RESOURCES
from apiserver.admission.policy_status import PolicyStatuses
from apiserver.admission.registry import build_chain
from apiserver.authentication.discovery import openid_documents
from apiserver.authentication.registry import Authenticator
from apiserver.authorization.rbac_bootstrap import ensure_bootstrap
from apiserver.authorization.registry import Authorizer
from apiserver.endpoints.body import MAX_BODY_BYTES
from apiserver.endpoints.documents import Documents
from apiserver.endpoints.exchange import Services
from apiserver.endpoints.health import Health
from apiserver.endpoints.kubelets import Kubelets
from apiserver.endpoints.watch import Watches
from apiserver.filters.chain import FilterChain
from apiserver.filters.errors import ClientFaults
from apiserver.filters.flow_control import FlowControl, MaxInFlight, PriorityAndFairness, count_dispatched
from apiserver.flowcontrol.configuration import Configuration
from apiserver.flowcontrol.dispatcher import Dispatcher
from apiserver.flowcontrol.keeper import Keeper
from apiserver.metrics import Metrics
from apiserver.options import Options
from apiserver.post_start_hooks import NAMES, PostStartHooks
from apiserver.registry.bootstrap import BOOTSTRAP_HOOKS, BootstrapObjects
from apiserver.registry.client import LoopbackClient
from apiserver.registry.core.ip_address_repair import IPAddressRepair
from apiserver.registry.core.ip_addresses import IPAddresses
from apiserver.registry.core.service import ServiceRules
from apiserver.registry.node_ports import parse_range
from apiserver.registry.registry import Registry
from apiserver.registry.service_ips import ServiceRange
from apiserver.registry.table import strategies
from apiserver.registry.virtual import VirtualServices, virtual_handlers
from apiserver.storage.cache.cached_storage import CachedStorage
from apiserver.storage.cache.feed import Feed
from apiserver.storage.compaction import compact_for_ever
from apiserver.storage.encryption_configuration import Reloader, read_configuration
from apiserver.storage.etcd import EtcdStorage, open_channel
from apiserver.storage.interface import Storage
from apiserver.storage.lease import LeaseManager
from apiserver.storage.transformer import TransformedStorage
from component.clock import Clock
from component.logging import get_logger
from component.tasks import Tasks
from component.tls_connection import TLSConnection

_LOG = get_logger("server")
_DRAIN_SECONDS = 5.0
_MAX_HEAD_BYTES = 256 * 1024


class Server:
    """One API server.

    Args:
        options: the command line.
        clock: the time.
    """

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self._options = options
        self._clock = clock or Clock()
        channel = open_channel(options.etcd_servers, options.etcd_cafile, options.etcd_certfile, options.etcd_keyfile)
        self._storage: Storage = EtcdStorage(channel)
        self._reloader: Reloader | None = None
        if options.encryption_provider_config:
            path = options.encryption_provider_config
            sealed = TransformedStorage(self._storage, options.etcd_prefix, read_configuration(path))
            self._storage = sealed
            if options.encryption_provider_config_automatic_reload:
                self._reloader = Reloader(path, sealed.use, self._clock)
        leases = LeaseManager(self._storage, self._clock)
        self.cached = CachedStorage(self._storage, options.etcd_prefix, leases, shared=options.etcd_shared)
        self.registry = Registry(self.cached)
        self._rules = ServiceRules(options.service_cluster_ip_range, parse_range(options.service_node_port_range))
        for resource, strategy in strategies(self._rules, event_ttl=int(options.event_ttl)):
            self.registry.add(resource, strategy)
        self.loopback = LoopbackClient(self.registry, self._now)
        self.authenticator = Authenticator(options, self.registry.lister)
        self.authorizer = Authorizer(options, self.registry.lister)
        self.watches = Watches(self._clock)
        self.metrics = Metrics()
        self.health = Health()
        self._kubelets = Kubelets(options, self.registry)
        self._flow, self._flow_keeper = self._flow_control()
        self.services = Services(
            options=options,
            clock=self._clock,
            cached=self.cached,
            registry=self.registry,
            chain=build_chain(options, self.registry.lister, self.loopback, self.authorizer, self.metrics.admission),
            authorizer=self.authorizer,
            now=self._now,
        )
        self.port = options.secure_port
        self._feed = Feed(self.cached, self._clock)
        self._hooks = self._add_checks()
        self._roles_ready = False
        self._stopping = False

    def _now(self) -> str:
        return now_rfc3339(self._clock)

    # -- running ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; then end watches, let requests finish, and stop."""
        aggregator = self._aggregator()
        documents = Documents(
            self.services, self.health, self.metrics, aggregator, self._flow, openid_documents(self._options)
        )
        virtual = virtual_handlers(
            VirtualServices(self.authenticator, self.authorizer, self.registry.lister, self._options)
        )
        self.services.parts.update(
            watches=self.watches,
            kubelets=self._kubelets,
            virtual=virtual,
            resources={(one.group, one.version, one.plural): one for one in RESOURCES},
            component_statuses=documents.component_statuses,
        )
        self.registry.on_remove(lambda resource: self._end_watches(resource.api_version, resource.kind))
        chain = FilterChain(self.services, self.authenticator, self.metrics, documents.answer, aggregator, self._flow)
        try:
            await self._feed.load()
            self._rules.follow(lambda name: self.registry.store(name).cache, self.loopback)
            async with Tasks() as tasks:
                tasks.spawn(self._feed.run, name="etcd watch", restart=True)
                await self._establish(tasks, aggregator)
                await self._serve(chain, tasks)
        finally:
            await self._kubelets.close()
            await self.services.chain.close()
            await self._storage.close()

    async def _serve(self, chain: FilterChain, tasks: Tasks) -> None:
        http_log = logging.getLogger("apiserver.http")
        http_log.addFilter(ClientFaults())
        server = web.Server(
            chain.handle,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            logger=http_log,
            auto_decompress=False,  # as upstream: bodies are what they are
            keepalive_timeout=120.0,
            max_line_size=_MAX_HEAD_BYTES,  # selectors in queries can be long
            max_field_size=_MAX_HEAD_BYTES,
        )
        self.watches.connections = server
        listeners = await self._listen(server)
        tasks.spawn(self.watches.run, name="bookmarks", restart=True)
        if chain.audit is not None and chain.audit.webhook is not None:
            tasks.spawn(chain.audit.webhook.run, name="audit webhook", restart=True)
        tasks.spawn(self._bootstrap, name="bootstrap roles", restart=True)
        self._hooks.done_when("rbac/bootstrap-roles", lambda: self._roles_ready)
        self._keep_objects(tasks)
        self._repair_addresses(tasks)
        if self._reloader is not None:
            tasks.spawn(self._reloader.run, name="encryption configuration", restart=True)
        if self._flow_keeper is not None:
            tasks.spawn(self._flow_keeper.run, name="flow schemas", restart=True)
            self._hooks.started("priority-and-fairness-config-consumer", "priority-and-fairness-filter")
        interval = float(self._options.etcd_compaction_interval)
        if interval > 0:
            tasks.spawn(
                lambda: compact_for_ever(self._storage, self._clock, interval, self.cached.compacted),
                name="compaction",
                restart=True,
            )
        _LOG.info("Serving", addresses=",".join(self._options.bind_address), port=self.port)
        try:
            await tasks.wait()
        finally:
            self._stopping = True
            await asyncio.sleep(self._options.shutdown_delay_duration)  # load balancers see that it isn't ready
            for listener in listeners:
                listener.close()
            self.watches.end_all()
            server.pre_shutdown()  # idle connections end now, busy ones after their answer
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await server.shutdown(_DRAIN_SECONDS - 1)

    async def _listen(self, server: web.Server) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        tls = self._tls()
        factory: Callable[[], Any] = server if tls is None else partial(TLSConnection, tls, server)
        listeners: list[asyncio.Server] = []
        for host in dict.fromkeys(self._options.bind_address):
            listener = await loop.create_server(factory, host, self.port, backlog=1024, reuse_address=True)
            self.port = self.port or int(listener.sockets[0].getsockname()[1])
            listeners.append(listener)
        return listeners

    def _tls(self) -> ssl.SSLContext | None:
        options = self._options
        if not options.tls_cert_file:
            if any(host not in ("127.0.0.1", "::1", "localhost") for host in options.bind_address):
                raise ValueError("--tls-cert-file is needed to serve on other addresses than loopback")
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(options.tls_cert_file, options.tls_private_key_file)
        context.set_alpn_protocols(["http/1.1"])
        context.num_tickets = 0  # clients of Kubernetes keep connections, they don't resume sessions
        for authority in (options.client_ca_file, options.requestheader_client_ca_file):
            if authority:
                context.load_verify_locations(authority)
                context.verify_mode = ssl.CERT_OPTIONAL
        return context

    # -- parts -----------------------------------------------------------------------------------------------------

    def _aggregator(self) -> Any:
        from apiserver.aggregator.proxy import Aggregator

        return Aggregator(self._options, self.registry.lister, self.loopback)

    def _flow_control(self) -> tuple[FlowControl, Keeper | None]:
        options = self._options
        reads, writes = options.max_requests_inflight, options.max_mutating_requests_inflight
        if not options.enable_priority_and_fairness:
            return MaxInFlight(reads, writes), None
        if reads + writes <= 0:
            raise ValueError(
                "--max-requests-inflight and --max-mutating-requests-inflight make no seats to divide: "
                "give one of them, or --enable-priority-and-fairness=false"
            )
        dispatcher = Dispatcher(reads + writes, partial(count_dispatched, self.metrics))
        configuration = Configuration(self.registry.lister, dispatcher)
        keeper = Keeper(self.registry.lister, self.loopback, configuration, self._now)
        return PriorityAndFairness(configuration, dispatcher, self.metrics), keeper

    async def _establish(self, tasks: Tasks, aggregator: Any) -> None:
        from apiserver.aggregator.availability import Availability
        from apiserver.apiextensions.establish import Establisher

        availability = Availability(self._options, self.registry.lister, self.loopback, aggregator)
        establisher = Establisher(self.registry, self.registry.lister, self.loopback)
        tasks.spawn(establisher.run, name="custom resources", restart=True)
        tasks.spawn(availability.run, name="extension servers", restart=True)
        statuses = PolicyStatuses(self.registry.lister, self.loopback)
        tasks.spawn(statuses.run, name="policy statuses", restart=True)
        self._hooks.done_when("crd-informer-synced", lambda: establisher.synced)
        self._hooks.started(
            "start-apiextensions-controllers",
            "start-cluster-authentication-info-controller",
            "apiservice-status-local-available-controller",
            "apiservice-status-remote-available-controller",
            "apiservice-registration-controller",
        )

    async def _bootstrap(self) -> None:
        await ensure_bootstrap(self.loopback)
        await self.cached.ensure_fresh()  # the authorizer reads from the cache
        self._roles_ready = True

    def _keep_objects(self, tasks: Tasks) -> None:
        options = self._options
        address = options.advertise_address
        if not address and options.bind_address[0] not in ("0.0.0.0", "::"):
            address = options.bind_address[-1]
        objects = BootstrapObjects(
            self.loopback,
            self._clock,
            address=address,
            port=self.port,
            service_ip=ServiceRange(options.service_cluster_ip_range[0]).first,
            cidrs=options.service_cluster_ip_range,
        )
        tasks.spawn(objects.run, name="bootstrap objects", restart=True)
        for hook in BOOTSTRAP_HOOKS:
            self._hooks.done_when(hook, partial(objects.finished.__contains__, hook))

    def _repair_addresses(self, tasks: Tasks) -> None:
        recorder = EventRecorder(self.loopback, "ipallocator-repair-controller", clock=self._clock)
        addresses = IPAddresses(self.loopback)
        repair = IPAddressRepair(self.registry.lister, self._rules.families, addresses, recorder, self._clock)
        tasks.spawn(recorder.run, name="events", restart=True)
        tasks.spawn(repair.run, name="cluster IP repair", restart=True)
        self._hooks.done_when("start-service-ip-repair-controllers", lambda: repair.mended)

    def _end_watches(self, api_version: str, kind: str) -> None:
        from apiserver.storage.cache.entry import header

        self.watches.end_resource(header(api_version, kind))

    def _add_checks(self) -> PostStartHooks:
        self.health.add("ping", lambda: "")
        self.health.add("log", lambda: "")
        self.health.add("etcd", lambda: "" if self._feed.connected else "not connected")
        self.health.add("informer-sync", lambda: "" if self.cached.revision else "not synced", only_ready=True)
        fair = self._flow_keeper is not None
        hooks = PostStartHooks(self.health, (name for name in NAMES if fair or "fairness" not in name))
        self.health.add("shutdown", lambda: "process is shutting down" if self._stopping else "", only_ready=True)
        return hooks


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make a request whose body may be as large as the API allows (aiohttp's own limit is lower)."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES + 1)


async def serve(options: Options) -> None:
    """Run a server until cancelled."""
    await Server(options).run()
