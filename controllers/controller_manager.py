"""Puts the controllers together: one client, shared informers, each controller a task of its own."""

import asyncio

from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from component.clock import Clock
from component.health import HealthServer
from component.logging import get_logger
from component.tasks import Tasks
from controllers.context import Context
from controllers.options import Options
from controllers.registry import chosen

_LOG = get_logger("manager")
_FLUSH_SECONDS = 1.0


async def main(options: Options) -> None:
    """Run until cancelled. The API server need not be there yet."""
    client = Client.from_kubeconfig(options.kubeconfig, user_agent="kube-controller-manager")
    context = Context(client, InformerFactory(client), options, Clock())
    try:
        async with Tasks() as tasks:
            for row in chosen(options.controllers):
                if row.needs and not getattr(options, row.needs):
                    _LOG.warning("Controller left out", controller=row.name, missing=f"--{row.needs.replace('_', '-')}")
                    continue
                controller = row.new(context)
                tasks.spawn(controller.run, name=row.name, restart=True)
            for recorder in context.recorders:
                tasks.spawn(recorder.run, name="events", restart=True)
            tasks.spawn(context.informers.run, name="informers")
            tasks.spawn(HealthServer().serve(options.bind_address, options.secure_port), name="health")
            _LOG.info("Controllers started")
            try:
                await tasks.wait()
            finally:
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await asyncio.gather(*(recorder.flush() for recorder in context.recorders), return_exceptions=True)
    finally:
        await client.close()
