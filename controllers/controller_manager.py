"""Puts the controllers together: one client, shared informers, each controller a task of its own."""

import asyncio

from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from apimachinery.controller.leader_election import LeaderElector
from component.clock import Clock
from component.health import HealthServer
from component.logging import get_logger
from component.tasks import Tasks
from controllers.context import Context
from controllers.options import Options
from controllers.registry import Row, chosen

_LOG = get_logger("manager")
_FLUSH_SECONDS = 1.0


async def main(options: Options) -> None:
    """Run until cancelled. The API server need not be there yet."""
    client = Client.from_kubeconfig(options.kubeconfig, user_agent="kube-controller-manager")
    context = Context(client, InformerFactory(client), options, Clock())
    rows = chosen(options.controllers)
    elector = LeaderElector(client, options.election(), context.clock) if options.leader_elect else None
    try:
        async with Tasks() as tasks:
            tasks.spawn(HealthServer().serve(options.bind_address, options.secure_port), name="health")
            if elector is None:
                _start(tasks, context, rows)
            else:
                tasks.spawn(elector.lead(lambda: _start(tasks, context, rows)), name="leader election")
            try:
                await tasks.wait()
            finally:
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await asyncio.gather(*(recorder.flush() for recorder in context.recorders), return_exceptions=True)
    finally:
        # Only now does nothing of ours work any more.
        if elector is not None:
            await elector.release()
        await client.close()


def _start(tasks: Tasks, context: Context, rows: list[Row]) -> None:
    for row in rows:
        if row.needs and not getattr(context.options, row.needs):
            _LOG.warning("Controller left out", controller=row.name, missing=f"--{row.needs.replace('_', '-')}")
            continue
        controller = row.new(context)
        tasks.spawn(controller.run, name=row.name, restart=True)
    for recorder in context.recorders:
        tasks.spawn(recorder.run, name="events", restart=True)
    tasks.spawn(context.informers.run, name="informers")
    _LOG.info("Controllers started")
