"""Assembles the node agent from its parts and runs them; decides nothing itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apimachinery.client.events import EventRecorder
from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from component.clock import Clock
from component.logging import get_logger
from component.tasks import Tasks
from component.version import KUBERNETES_VERSION
from kubelet.container_starter import ContainerStarter, NodeFacts
from kubelet.event_reporter import EventReporter
from kubelet.eviction.evictor import Evictor, observe
from kubelet.eviction.thresholds import DEFAULTS, quantity
from kubelet.lifecycle_hooks import LifecycleHooks
from kubelet.node import machine
from kubelet.node import status as node_status
from kubelet.node.lease import NodeLease
from kubelet.node.registration import Node
from kubelet.node.runtime_state import RuntimeState
from kubelet.options import Config, Options
from kubelet.pod_admission import admit, forbidden_sysctl, infeasible, insufficient
from kubelet.pod_cleanup import Cleanup
from kubelet.pod_status import PodStatuses
from kubelet.pod_sync import PodSync, SandboxSettings, SyncParts
from kubelet.pod_termination import Termination
from kubelet.pod_workers import PodWorkers, WorkerParts
from kubelet.prober.probes import Probes
from kubelet.references import References
from kubelet.resources.amounts import whole
from kubelet.resources.cgroup_tree import CgroupTree
from kubelet.resources.resize import Resizer
from kubelet.runtime.client import CRIClient, RuntimeServiceError, wait_reachable
from kubelet.runtime.events import RuntimeEvents
from kubelet.runtime.garbage import Garbage, ImagePolicy
from kubelet.runtime.images import Images
from kubelet.runtime.log_rotation import LogRotation
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.stats_reader import StatsReader
from kubelet.sources import api_server
from kubelet.sources.manifest_directory import ManifestDirectory
from kubelet.sources.mirror_pods import MirrorPods
from kubelet.status.writer import StatusWriter
from kubelet.volumes.mounter import Volumes
from kubelet.volumes.tokens import Tokens
from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]

log = get_logger("kubelet")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and where this node is."""

    name: str
    addresses: tuple[str, ...]


class Kubelet:
    """The parts, built once."""

    def __init__(self, options: Options, config: Config, tasks: Tasks) -> None:
        self.options = options
        self.config = config
        self.tasks = tasks
        self.clock = Clock()
        self.identity = identity(options)
        self.root = Path(options.root_dir)
        self.logs = Path(config.podLogsDir)
        self.client = Client.from_kubeconfig(options.kubeconfig, user_agent=f"kubelet/{KUBERNETES_VERSION}")
        self.cri = CRIClient(
            config.containerRuntimeEndpoint or options.container_runtime_endpoint,
            config.imageServiceEndpoint or options.image_service_endpoint,
        )
        self.factory = InformerFactory(self.client)
        self.services = self.factory.informer("services")
        self.recorder = EventRecorder(self.client, "kubelet", self.identity.name)
        self.events = EventReporter(self.recorder)
        self.cache = PodCache(self.cri)
        self.runtime_state = RuntimeState(self.cri, self.clock)
        self.node = self._node()
        nodes = self.factory.informer("nodes", field_selector=f"metadata.name={self.identity.name}")
        nodes.add_handler(self.node.observe)
        self.cgroups = CgroupTree(config.cgroupRoot, systemd=config.cgroupDriver == "systemd")
        self.images = Images(self.cri, self.clock, serialize=config.serializeImagePulls)
        self.hooks = LifecycleHooks(self.cri)
        addresses = self.identity.addresses
        self.references = References(self.client, tasks, self._wake)
        self.tokens = Tokens(self.client, self.clock)
        self.volumes = Volumes(self.root, self.client, self.references, self.tokens, self.node.allocatable)
        self.probes = Probes(self.cri, tasks, self.events, self.clock, addresses, self._wake)
        self.statuses = PodStatuses(
            StatusWriter(self.client, tasks), self.probes, self.clock, addresses, self.client.get
        )
        self.termination = Termination(self.cri, self.cache, self.hooks, self.events, self.clock, addresses)
        self.cleanup = Cleanup(
            self.cri, self.cache, self.volumes, self.references, self.images, self.cgroups, self.logs
        )
        self.workers = self._workers()
        self.runtime_events = RuntimeEvents(self.cri, self.cache, self._wake)
        self.stats = StatsReader(self.cri)
        self.evictor = Evictor(
            self.workers,
            self.events,
            self.clock,
            config.evictionHard or DEFAULTS,
            lambda: observe(str(self.root)),
            self.stats.memory_by_pod,
            self.node.touch,
        )
        self.mirrors = MirrorPods(self.client, self.identity.name)
        self.mirrors.workers = self.workers

    def _wake(self, uid: str) -> None:
        self.workers.wake(uid)

    def _node(self) -> Node:
        labels = dict(item.split("=", 1) for item in self.options.node_labels if "=" in item)
        taints = [_taint(text) for text in self.options.register_with_taints] + list(self.config.registerWithTaints)
        return Node(
            self.client,
            self.clock,
            self._node_facts,
            name=self.identity.name,
            labels=labels,
            taints=taints,
            register=self.options.register_node and self.config.registerNode,
            check=self.config.nodeStatusUpdateFrequency,
            report=self.config.nodeStatusReportFrequency,
        )

    async def _node_facts(self) -> node_status.NodeFacts:
        not_ready, handlers, features = await self.runtime_state.look()
        disk = machine.disk(str(self.root))
        eviction = self.config.evictionHard or DEFAULTS
        reserved: dict[str, str] = {}
        for source in (self.config.systemReserved, self.config.kubeReserved):
            for key, value in source.items():
                reserved[key] = str(value) if key not in reserved else str(whole(reserved[key]) + whole(value))
        return node_status.NodeFacts(
            name=self.identity.name,
            addresses=self.identity.addresses,
            port=self.config.port,
            cpus=machine.cpus(),
            memory=machine.memory_bytes(),
            disk=disk.total,
            max_pods=self.config.maxPods,
            reserved=reserved,
            eviction_memory=quantity(str(eviction.get("memory.available", "0")), machine.memory_bytes()),
            eviction_disk=quantity(str(eviction.get("nodefs.available", "0")), disk.total),
            system_info=machine.system_info(self.runtime_state.version, KUBERNETES_VERSION),
            images=self.runtime_state.images,
            handlers=handlers,
            features=features,
            not_ready=not_ready,
            memory_pressure=self.evictor.under("MemoryPressure"),
            disk_pressure=self.evictor.under("DiskPressure"),
        )

    def _workers(self) -> PodWorkers:
        facts = NodeFacts(
            name=self.identity.name,
            host_ips=self.identity.addresses,
            cluster_domain=self.config.clusterDomain,
            memory=machine.memory_bytes(),
            allocatable=self.node.allocatable,
            services=lambda: tuple(self.services.store.list()),
        )
        starter = ContainerStarter(self.cri, self.images, self.volumes, self.references, self.hooks, self.events, facts)
        settings = SandboxSettings(self.logs, self.config.clusterDNS, self.config.clusterDomain, self.config.resolvConf)
        sync = PodSync(
            SyncParts(
                client=self.cri,
                cache=self.cache,
                volumes=self.volumes,
                starter=starter,
                probes=self.probes,
                statuses=self.statuses,
                termination=self.termination,
                cgroups=self.cgroups,
                resizer=Resizer(self.cri, self.cache, self.cgroups, self._fits),
                events=self.events,
                settings=settings,
                clock=self.clock,
            )
        )
        parts = WorkerParts(sync, self.termination, self.cleanup, self.statuses, self.probes, self.cache, self.clock)
        return PodWorkers(parts, self.tasks, self._admit, self.node.refresh)

    def _admit(self, pod: Obj, others: list[Obj]) -> tuple[str, str] | None:
        refusal = forbidden_sysctl(pod, self.config.allowedUnsafeSysctls)
        return refusal or admit(pod, others, self.node.allocatable(), self.node.labels(), self.identity.name)

    def _fits(self, pod: Obj) -> tuple[str, str]:
        """Whether the node has room for the pod's new size: ("", "") or the pending resize's reason and message."""
        never = infeasible(pod, self.node.allocatable())
        if never:
            return "Infeasible", never
        others = [p for p in self.workers.active() if p["metadata"]["uid"] != pod["metadata"]["uid"]]
        short = insufficient(pod, others, self.node.allocatable())
        if short is None:
            return "", ""
        resource, requested, used, total = short
        text = f"Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {total}"
        return "Deferred", text

    # --- running

    async def run(self) -> None:
        """Start everything at once; each part waits for its own peers."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        spawn = self.tasks.spawn
        spawn(self.recorder.run, name="events", restart=True)
        spawn(self.node.run, name="node status", restart=True)
        lease = NodeLease(self.client, self.clock, self.node, self.config.nodeLeaseDurationSeconds)
        spawn(lease.run, name="node lease", restart=True)
        spawn(self._serve, name="server", restart=True)
        spawn(self._pods, name="pods", restart=True)
        try:
            await self.tasks.wait()
        finally:
            self.workers.closing = True

    async def _pods(self) -> None:
        """Pods are taken on once the runtime's state is known; until then nothing could be decided rightly."""
        spawn = self.tasks.spawn
        version = await wait_reachable(self.cri)
        self.statuses.runtime_name = version.runtime_name
        await self._agree_on_cgroup_driver()
        await asyncio.to_thread(self.cgroups.set_up)
        await self._first_relist()
        while not self.node.allocatable():
            await self.node.gather()
        spawn(self.runtime_events.stream, name="runtime events", restart=True)
        spawn(self.runtime_events.relist, name="relist", restart=True)
        spawn(self.factory.run, name="informers", restart=True)
        static = self.options.pod_manifest_path or self.config.staticPodPath
        if static:
            self._static(Path(static))
        await self.services.wait_for_sync()
        informer = api_server.watch(self.factory, self.identity.name, self.workers, self.mirrors)
        await informer.wait_for_sync()
        self._collectors()

    async def _agree_on_cgroup_driver(self) -> None:
        """The runtime says which driver it uses; one that can't say leaves it to the configuration."""
        try:
            driver = (await self.cri.runtime_config()).linux.cgroup_driver
        except RuntimeServiceError:
            return
        await asyncio.to_thread(self.cgroups.use_driver, systemd=driver == pb.SYSTEMD)

    async def _first_relist(self) -> None:
        while True:
            try:
                await self.runtime_events.relist_once()
            except RuntimeServiceError:
                await asyncio.sleep(0.1)
            else:
                return

    def _static(self, directory: Path) -> None:
        source = ManifestDirectory(
            directory, self.identity.name, self.workers, self.mirrors, self.config.fileCheckFrequency
        )
        self.tasks.spawn(source.run, name="static pods", restart=True)
        self.tasks.spawn(self.mirrors.run, name="mirror pods", restart=True)

    def _collectors(self) -> None:
        policy = ImagePolicy(
            self.config.imageGCHighThresholdPercent,
            self.config.imageGCLowThresholdPercent,
            self.config.imageMinimumGCAge,
        )
        garbage = Garbage(
            self.cri,
            self.cache,
            self.cleanup,
            self.clock,
            self.workers.known,
            lambda: self.volumes.leftovers() | self.cgroups.uids(),
            policy,
        )
        self.tasks.spawn(self.evictor.run, name="eviction", restart=True)
        self.tasks.spawn(garbage.run, name="garbage", restart=True)
        rotation = LogRotation(
            self.cri,
            self.cache,
            self.clock,
            self.workers.known,
            whole(self.config.containerLogMaxSize),
            self.config.containerLogMaxFiles,
        )
        self.tasks.spawn(rotation.run, name="log rotation", restart=True)

    async def _serve(self) -> None:
        from kubelet.server.listener import Listener

        listener = Listener(self)
        await listener.run()


def identity(options: Options) -> Identity:
    """Node name and addresses from flags or from the host."""
    import socket

    name = (options.hostname_override or socket.gethostname()).strip().lower()
    return Identity(name, options.node_ip or (machine.default_address(),))


def _taint(text: str) -> Obj:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect}


async def main(options: Options) -> None:
    """Run until cancelled."""
    from kubelet.options import load_config

    config = load_config(options.config)
    async with Tasks() as tasks:
        kubelet = Kubelet(options, config, tasks)
        try:
            await kubelet.run()
        finally:
            await tasks.cancel()
            await kubelet.client.close()
            await kubelet.cri.close()
