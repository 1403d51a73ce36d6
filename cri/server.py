"""Assembly: makes the parts, serves the procedures on a unix socket, ends in order.

``PROCEDURES`` is the table of the API: one row per RPC, its function in ``cri.rpc``. Errors become gRPC codes here and
nowhere else. Calls that change something run as tasks of their own: a caller that goes away (a kubelet time-out) does
not leave a half-made object behind.
"""

import asyncio
import concurrent.futures
import contextlib
import inspect
import os
import pathlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from component.flags import parse_duration
from component.logging import get_logger
from component.tasks import Tasks
from cri import errors, host_facts, metrics, recovery, reload, transitions
from cri.config import Config
from cri.events import Events
from cri.images.journal import Journal
from cri.images.layers import ContainerLayers
from cri.images.pull import Puller
from cri.images.registries_conf import RegistriesFile
from cri.images.repair import Repair
from cri.images.storage import ImageStore
from cri.options import Options
from cri.parts import Parts
from cri.procedures import IMAGE_SERVICE, RUNTIME_SERVICE, Procedure
from cri.runtime import apparmor_profile, handlers
from cri.runtime.exits import ExitWatcher
from cri.sandboxes.network import Networks
from cri.store import Store
from cri.streaming.server import IDLE_TIMEOUT, StreamServer
from linux import cgroup_latency, cgroups
from protocols.cri import api_pb2

_log = get_logger("server")
_THREADS = 12


@contextlib.asynccontextmanager
async def assemble(config: Config, tasks: Tasks) -> AsyncIterator[Parts]:
    """Make the parts, and read what an earlier life left."""
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    conmon = shutil.which(config.conmon)
    if conmon is None:
        raise errors.FailedPrecondition(f"no conmon found at {config.conmon!r} (apt-get install conmon)")
    pool = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="cri")
    makers = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="cri-make")
    host = await asyncio.to_thread(host_facts.gather, config.cgroup_manager)
    registries = RegistriesFile(config.registries_conf, mode=lambda: parts.config.short_name_mode)
    if config.cgroup_favor_dynmods and await asyncio.to_thread(cgroup_latency.favor_changes):
        _log.info("Control groups favor changes over forks (favordynmods), which makes containers start sooner")
    images = ImageStore(pathlib.Path(config.root), pathlib.Path(config.runroot), registries)
    layers = ContainerLayers(images, config.state_dir, durable=config.durable_storage)
    parts = Parts(
        config=config,
        host=host,
        cgroups=cgroups.detect(),
        conmon=conmon,
        store=Store(config.state),
        images=images,
        layers=layers,
        handlers=await asyncio.to_thread(handlers.discover, config, systemd_cgroup=host.systemd_cgroups),
        networks=Networks(config.network_dir, config.plugin_dirs, config.cni_cache_dir, config.cni_default_network),
        events=Events(),
        exits=ExitWatcher(config.state / "exits", tasks, lambda *change: transitions.exited(parts, *change)),
        tasks=tasks,
        pool=pool,
        makers=makers,
        puller=Puller(lambda: parts.config, images, registries, tasks),
        streams=StreamServer(
            config.stream_address,
            int(config.stream_port or 0),
            tasks,
            parse_duration(config.stream_idle_timeout) or IDLE_TIMEOUT,
        ),
    )
    metrics.DEFAULT_RUNTIME.set(parts.handlers.default, to=1)
    _tell_clamps(parts)
    await asyncio.to_thread(layers.prepare)
    if host.apparmor:
        await asyncio.to_thread(apparmor_profile.load)
    journal = Journal(images.root)
    await asyncio.to_thread(_mend, images, layers, journal, config)
    parts.exits.start()
    try:
        await recovery.recover(parts)
        await parts.streams.start()
        yield parts
    finally:
        await parts.streams.close()
        parts.exits.close()
        for threads in (pool, makers):
            threads.shutdown(wait=False, cancel_futures=True)


def _mend(images: ImageStore, layers: ContainerLayers, journal: Journal, config: Config) -> None:
    directory = config.state / "containers"
    alive = frozenset(os.listdir(directory)) if directory.is_dir() else frozenset[str]()
    try:
        Repair(images, layers, lost_since=journal.lost_since(), alive=alive).run()
    except BlockingIOError:
        _log.warning("The image store is busy, so it is not looked through this time")
        return
    journal.settle(*journal.open_entries())


def _tell_clamps(parts: Parts) -> None:
    """Say once what this host makes us adapt."""
    if not parts.host.may_raise_limits:
        _log.warning(
            "No CAP_SYS_RESOURCE: oom_score_adj, rlimits and capabilities of containers are clamped to our own",
            oom_score_adj=parts.host.oom_score_adj,
        )


async def serve(config: Config, options: Options) -> None:
    """Run until cancelled; ``options`` say where a changed configuration is read from."""
    reload.apply_log_level(config)
    async with Tasks() as tasks, assemble(config, tasks) as parts:
        reload.listen(parts, options)
        server = grpc.aio.server(
            options=[
                ("grpc.max_send_message_length", config.grpc_max_send_msg_size),
                ("grpc.max_receive_message_length", config.grpc_max_recv_msg_size),
            ]
        )
        server.add_generic_rpc_handlers((_service(parts, "RuntimeService"), _service(parts, "ImageService")))
        path = pathlib.Path(config.listen)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        mask = os.umask(0o117)
        try:
            server.add_insecure_port(f"unix://{path}")
            await server.start()
        finally:
            os.umask(mask)
        if config.enable_metrics:
            tasks.spawn(lambda: metrics.serve(config.metrics_host, config.metrics_port), name="metrics", restart=True)
        _log.info("Serving", socket=str(path), runtime=parts.handlers.default)
        try:
            await tasks.wait()
        finally:
            parts.events.close()
            await server.stop(grace=0.1)


def _service(parts: Parts, name: str) -> "grpc.GenericRpcHandler[Any, Any]":
    table = RUNTIME_SERVICE if name == "RuntimeService" else IMAGE_SERVICE
    service = api_pb2.DESCRIPTOR.services_by_name[name]
    methods = {}
    for method in service.methods:
        procedure = table.get(method.name)
        if procedure is None:
            continue  # gRPC answers UNIMPLEMENTED
        request = getattr(api_pb2, method.input_type.name)
        response = getattr(api_pb2, method.output_type.name)
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        wrap = _streaming if method.server_streaming else _unary
        methods[method.name] = make(
            wrap(parts, method.name, procedure),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
    return grpc.method_handlers_generic_handler(f"runtime.v1.{name}", methods)


def _unary(parts: Parts, name: str, procedure: Procedure) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(request: Any, context: Any) -> Any:
        begun = asyncio.get_running_loop().time()
        code = "OK"
        try:
            if procedure.changes:
                task = parts.tasks.spawn(_outcome(parts, procedure, request), name=name)
                outcome = await asyncio.shield(task)
            else:
                outcome = await _outcome(parts, procedure, request)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome
        except errors.CRIError as error:
            code = error.grpc_code
            if procedure.changes:
                _log.warning("Call failed", call=name, code=code, cause=str(error))
            await context.abort(getattr(grpc.StatusCode, code), str(error))
        except Exception as error:  # noqa: BLE001  the last place that can turn a bug into an answer
            code = "INTERNAL"
            _log.error("Call failed unexpectedly", call=name, error=error)
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        finally:
            metrics.observe(name, code, asyncio.get_running_loop().time() - begun)

    return answer


async def _outcome(parts: Parts, procedure: Procedure, request: Any) -> Any:
    """The answer, or the failure as a value: a failed call must not end the group of tasks."""
    try:
        result = procedure.function(parts, request)
        return await result if inspect.isawaitable(result) else result
    except OSError as error:
        return errors.of_kernel(error)
    except Exception as error:  # noqa: BLE001  carried to the caller
        return error


def _streaming(parts: Parts, name: str, procedure: Procedure) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for message in procedure.function(parts, request):
                yield message
        except errors.CRIError as error:
            metrics.observe(name, error.grpc_code, 0.0)
            await context.abort(getattr(grpc.StatusCode, error.grpc_code), str(error))

    return answer
