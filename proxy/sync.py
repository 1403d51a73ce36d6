"""The shell around the rules: informers mark services, one task brings the kernel up to date.

Talks to the API server (through informers), nftables and connection tracking. Promises
one transaction per change, the whole table anew when a change is refused or the table is
gone, and that nothing outside its own table is touched.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from component.logging import get_logger
from linux import nftables
from proxy import conntrack, metrics
from proxy.network_policy import OWNER
from proxy.policy_source import PolicySource
from proxy.rules import Fragment, RuleState, Settings, fragment
from proxy.service_map import HEADLESS, SERVICE_NAME, ServicePort, service_ports

if TYPE_CHECKING:
    from apimachinery.client.informer import Event, InformerFactory
    from apimachinery.objects.metadata import Obj
    from component.clock import Clock

_LOG = get_logger("sync")
_BY_SERVICE = "service"
# Changes within this time go into one transaction: an update of a Service comes with its slices'.
_GATHER_SECONDS = 0.005
_MAX_RETRY_SECONDS = 10.0
_POLICY_RETRY_SECONDS = 0.05
_MAX_UNHEALTHY_SECONDS = 60.0


class Syncer:
    """Keeps the tables equal to what the API server says."""

    def __init__(
        self,
        factory: InformerFactory,
        settings: list[Settings],
        node_name: str,
        clock: Clock,
        *,
        check_period: float = 30.0,
    ) -> None:
        self._states = [RuleState(one) for one in settings]
        self._made = {one.settings.family: False for one in self._states}
        self._ports: dict[int, dict[str, tuple[ServicePort, ...]]] = {one.family: {} for one in settings}
        self._node_name = node_name
        self._clock = clock
        self._check_period = check_period
        self._services = factory.informer("services")
        self._slices = factory.informer("endpointslices.discovery.k8s.io", label_selector=f"!{HEADLESS}")
        self._slices.add_index(_BY_SERVICE, _service_of)
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)
        self._policies = PolicySource(factory, node_name, self._mark_policies)
        self._policies_dirty = False
        self._dirty: set[str] = set()
        self._woken = asyncio.Event()
        self._failing_since: float | None = None

    async def wait_for_sync(self) -> None:
        """Waits until all services are known. Policies may come later: a server may even forbid them."""
        await self._services.wait_for_sync()
        await self._slices.wait_for_sync()

    def health(self) -> str | None:
        """None while changes reach the kernel; else what is wrong, after a minute of trying."""
        since = self._failing_since
        if since is not None and self._clock.monotonic() - since > _MAX_UNHEALTHY_SECONDS:
            return "rules could not be brought up to date"
        return None

    def ports(self) -> list[ServicePort]:
        """All service ports that have rules now."""
        return [port for family in self._ports.values() for ports in family.values() for port in ports]

    def _on_service(self, event: Event) -> None:
        meta = event.new["metadata"]
        self._mark(f"{meta['namespace']}/{meta['name']}")

    def _on_slice(self, event: Event) -> None:
        for obj in (event.old, event.new):
            for key in _service_of(obj) if obj is not None else ():
                self._mark(key)

    def _mark_policies(self) -> None:
        self._policies_dirty = True
        self._woken.set()

    def _mark(self, key: str) -> None:
        self._dirty.add(key)
        self._woken.set()

    async def run(self) -> None:
        """Brings the kernel up to date whenever something changes, until cancelled."""
        pause = 0.0
        await self._sync()
        while True:
            try:
                async with asyncio.timeout(pause or self._check_period):
                    await self._woken.wait()
                await asyncio.sleep(_GATHER_SECONDS)
            except TimeoutError:
                await self._check_tables()
            self._woken.clear()
            await self._sync()
            failing = self._failing_since is not None
            pause = min(max(pause * 2, 0.1), _MAX_RETRY_SECONDS) if failing else 0.0
            if self._policies_dirty:  # their informers have just been started
                pause = _POLICY_RETRY_SECONDS

    async def _check_tables(self) -> None:
        """Somebody may have flushed the whole ruleset."""
        for state in self._states:
            settings = state.settings
            if self._made[settings.family]:
                there = await asyncio.to_thread(nftables.table_exists, settings.nft_family, settings.table)
                self._made[settings.family] = there

    async def _sync(self) -> None:
        begun = self._clock.monotonic()
        dirty, self._dirty = self._dirty, set()
        policies = self._policies_dirty and self._policies.ready()
        self._policies_dirty = self._policies_dirty and not policies
        stale: set[conntrack.StaleFlow] = set()
        failed = False
        for state in self._states:
            fragments: dict[str, Fragment] = {}
            known = self._ports[state.settings.family]
            for key in dirty:
                before = known.get(key, ())
                after = self._service_ports(key, state.settings.family)
                if before == after:
                    continue
                stale |= conntrack.stale_flows(before, after)
                fragments[key] = fragment(after, state.settings)
                if after:
                    known[key] = after
                else:
                    known.pop(key, None)
            if policies:
                fragments[OWNER] = self._policies.fragment(state.settings, self._dns_addresses())
            failed = not await self._apply(state, fragments) or failed
            metrics.SERVICES.set(f"IPv{state.settings.family}", to=len(known))
        if failed:
            self._failing_since = self._failing_since or self._clock.monotonic()
            return
        self._failing_since = None
        metrics.SYNC_SECONDS.observe(value=self._clock.monotonic() - begun)
        metrics.LAST_SYNC.set(to=self._clock.now().timestamp())
        if stale:
            await conntrack.forget(stale)

    def _dns_addresses(self) -> list[str]:
        service = self._services.store.get("kube-system", "kube-dns")
        return list((service or {}).get("spec", {}).get("clusterIPs") or ())

    def _service_ports(self, key: str, family: int) -> tuple[ServicePort, ...]:
        namespace, _, name = key.partition("/")
        service = self._services.store.get(namespace, name)
        if service is None:
            return ()
        slices = self._slices.store.by_index(_BY_SERVICE, key)
        return service_ports(service, slices, self._node_name, family)

    async def _apply(self, state: RuleState, fragments: dict[str, Fragment]) -> bool:
        family = state.settings.family
        commands = state.change(fragments)
        if self._made[family]:
            if not commands or await self._run("\n".join(commands) + "\n"):
                return True
            _LOG.warning("A change was refused, making the table anew", family=family)
        metrics.SYNC_FULL.inc()
        self._made[family] = await self._run(state.full())
        return self._made[family]

    async def _run(self, commands: str) -> bool:
        try:
            await asyncio.to_thread(nftables.run, commands)
        except OSError as error:
            metrics.SYNC_FAILURES.inc()
            _LOG.error("nftables refused a change", err=str(error)[:2000])
            return False
        return True


def _service_of(endpoint_slice: Obj) -> list[str]:
    meta = endpoint_slice["metadata"]
    name = (meta.get("labels") or {}).get(SERVICE_NAME)
    return [f"{meta['namespace']}/{name}"] if name else []


def remove_tables(table: str) -> None:
    """Removes what a proxy with this table name made."""
    for family in ("ip", "ip6"):
        nftables.delete_table(family, table)
