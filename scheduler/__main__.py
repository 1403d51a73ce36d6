"""`python -m scheduler`: gives pods without a node a node, as kube-scheduler does."""

import asyncio

from apimachinery.client.events import EventRecorder
from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from apimachinery.controller.leader_election import LeaderElector
from component.clock import Clock
from component.flags import parse
from component.health import HealthServer
from component.logging import get_logger
from component.program import run
from component.tasks import Tasks
from scheduler import configuration, metrics
from scheduler.options import Options
from scheduler.scheduler import Scheduler

_LOG = get_logger("main")


async def serve(options: Options) -> None:
    """Runs until cancelled."""
    settings = configuration.load(options.config)
    client = Client.from_kubeconfig(options.kubeconfig or settings.kubeconfig, user_agent="kube-scheduler")
    clock = Clock()
    recorder = EventRecorder(client, "default-scheduler", clock=clock)
    factory = InformerFactory(client)
    elector = LeaderElector(client, options.election(), clock) if options.leader_elect else None
    health = HealthServer(metrics=metrics.REGISTRY)
    tls = None
    if options.tls_cert_file:
        from component.serving import server_ssl_context

        tls = server_ssl_context(options.tls_cert_file, options.tls_private_key_file)
    try:
        async with Tasks() as tasks:
            tasks.spawn(
                lambda: health.serve(options.bind_address, options.secure_port, tls), name="health", restart=True
            )
            tasks.spawn(recorder.run, name="events", restart=True)
            scheduler = Scheduler(client, factory, recorder, settings, clock, tasks)
            scheduler.watch()
            tasks.spawn(factory.run, name="informers")
            await asyncio.sleep(0)
            await factory.wait_for_sync()

            def start() -> None:
                scheduler.start()
                _LOG.info("Scheduling pods", profiles=",".join(settings.profiles))

            if elector is None:
                start()
            else:
                tasks.spawn(elector.lead(start), name="leader election")
            await tasks.wait()
    finally:
        if elector is not None:
            await elector.release()
        await client.close()


if __name__ == "__main__":
    run("scheduler", serve, parse(Options, None, prog="scheduler", description=__doc__ or ""))
