"""Sandboxes and containers: in memory for answers, on disk for the next life.

One directory per object below the state directory (``sandboxes/ID``, ``containers/ID``) with ``config.pb`` (what the
kubelet asked, never rewritten) and ``state.json`` (what became of it, replaced atomically at each change). The state
directory lives on a tmpfs, so a reboot empties it together with the processes it describes. The container's directory
is its OCI bundle as well, where conmon keeps its files.

Promises: an object is on disk before its id is answered; ids may be abbreviated as long as they stay unique; names are
reserved while their object is being made, and a second request for the same name can wait for the first.
Only the event loop's thread changes the store.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from cri import errors
from protocols.cri import api_pb2

CREATED, RUNNING, EXITED = api_pb2.CONTAINER_CREATED, api_pb2.CONTAINER_RUNNING, api_pb2.CONTAINER_EXITED
READY, NOT_READY = api_pb2.SANDBOX_READY, api_pb2.SANDBOX_NOTREADY


@dataclasses.dataclass(slots=True)
class Sandbox:
    """One pod sandbox."""

    id: str
    name: str
    config: api_pb2.PodSandboxConfig
    directory: pathlib.Path
    runtime_handler: str  # as asked for
    created_at: int
    handler: str = ""  # its name where the default one was asked for: that may become another one
    state: api_pb2.PodSandboxState = READY
    complete: bool = False
    network_namespace: str = ""  # "" = the node's
    ipc_namespace: str = ""
    uts_namespace: str = ""
    user_namespace: str = ""
    pid_namespace: str = ""  # of the pod, only when shared
    pid_holder: int = 0  # the process that is PID 1 of a shared PID namespace
    pid_holder_started: int = 0  # the kernel's start time, against a reused pid
    stopping: bool = False  # no more containers, whatever its state says
    addresses: list[str] = dataclasses.field(default_factory=list)
    attached: bool = False  # CNI ADD may have happened, so DEL is due
    network: str = ""  # name of the CNI network it is attached to
    cgroup_parent: str = ""
    resources: str = ""  # hex of LinuxContainerResources after UpdatePodSandboxResources
    oom_kills: int = 0  # in its control group, as far as containers' ends have been blamed on them

    _RUNTIME_ONLY = ("id", "config", "directory", "stopping")


@dataclasses.dataclass(slots=True)
class Container:
    """One container."""

    id: str
    sandbox_id: str
    name: str
    config: api_pb2.ContainerConfig
    directory: pathlib.Path
    runtime_handler: str
    created_at: int
    state: api_pb2.ContainerState = CREATED
    complete: bool = False
    image_id: str = ""
    image_ref: str = ""
    image_name: str = ""
    foreign_architecture: str = ""  # of the image, where it is not the node's
    rootfs: str = ""
    log_path: str = ""
    cgroup_path: str = ""
    stop_signal: int = 15
    pid: int = 0
    pid_started: int = 0  # the kernel's start time, against a reused pid
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    uid: int = 0
    gid: int = 0
    groups: list[int] = dataclasses.field(default_factory=list)
    image_mounts: list[str] = dataclasses.field(default_factory=list)
    resources: str = ""  # hex of LinuxContainerResources as in force
    seccomp: bool = False
    exited: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    _RUNTIME_ONLY = ("id", "config", "directory", "exited")

    @property
    def handler(self) -> str:
        """The name of its handler; a container's is never the nameless default."""
        return self.runtime_handler

    @property
    def pid_file(self) -> pathlib.Path:
        """Where the OCI runtime writes the pid of the first process."""
        return self.directory / "pidfile"


T = TypeVar("T", Sandbox, Container)


class Names:
    """Reserved names, and the jobs that make their objects.

    A repeated request for the same name and attempt joins the running job instead of failing with "name is reserved",
    which would keep a pod stuck after one kubelet time-out.
    """

    def __init__(self) -> None:
        """Nothing is reserved."""
        self._jobs: dict[str, asyncio.Future[str]] = {}

    def job(self, name: str) -> asyncio.Future[str] | None:
        """The job that is making ``name`` right now."""
        return self._jobs.get(name)

    @contextlib.contextmanager
    def reserve(self, name: str) -> Iterator[asyncio.Future[str]]:
        """Hold ``name`` while its object is being made; the caller sets the future to the id."""
        job: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._jobs[name] = job
        try:
            yield job
        except BaseException as error:
            if not job.done():
                job.set_exception(
                    error if isinstance(error, Exception) else errors.Internal("the creation was cancelled")
                )
                job.exception()  # nobody may be waiting
            raise
        finally:
            if not job.done():
                job.cancel()
            del self._jobs[name]


class Table(Generic[T]):
    """All objects of one kind."""

    def __init__(self, directory: pathlib.Path, kind: type[T], config_type: Any, label: str) -> None:
        """Keep objects of ``kind`` below ``directory``; ``label`` is how errors call them."""
        self._config_type = config_type
        self._directory = directory
        self._kind: type[T] = kind
        self._label = label
        self._objects: dict[str, T] = {}
        self.names = Names()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __iter__(self) -> Iterator[T]:
        """Go over a copy, so that callers may await between steps."""
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        """Count the objects, half-made ones included."""
        return len(self._objects)

    def path(self, object_id: str) -> pathlib.Path:
        """The directory of an object."""
        return self._directory / object_id

    def find(self, object_id: str) -> T | None:
        """Look up a full id or a unique abbreviation; half-made objects are not found."""
        found = self._objects.get(object_id)
        if found is None and object_id:
            matches = [o for key, o in self._objects.items() if key.startswith(object_id) and o.complete]
            found = matches[0] if len(matches) == 1 else None
        return found if found is not None and found.complete else None

    def get(self, object_id: str) -> T:
        """Like ``find``, but a missing object is an error."""
        found = self.find(object_id)
        if found is None:
            raise errors.NotFound(f"{self._label} {object_id!r} not found")
        return found

    def by_name(self, name: str) -> T | None:
        """Find an object by its full name."""
        return next((o for o in self._objects.values() if o.name == name), None)

    def add(self, item: T) -> None:
        """Write a new object to disk and remember it, still half-made."""
        item.directory.mkdir(mode=0o700, parents=True)
        try:
            _write(item.directory / "config.pb", item.config.SerializeToString())
            self.save(item)
        except OSError:
            shutil.rmtree(item.directory, ignore_errors=True)
            raise
        self._objects[item.id] = item

    def save(self, item: T) -> None:
        """Write what has become of an object."""
        _write(item.directory / "state.json", json.dumps(_state(item)).encode())

    def remove(self, item: T) -> None:
        """Forget an object and delete its directory."""
        self._objects.pop(item.id, None)
        # The state goes first: a directory without it is rubbish to the next life, not an object.
        (item.directory / "state.json").unlink(missing_ok=True)
        shutil.rmtree(item.directory, ignore_errors=True)

    def load(self) -> None:
        """Read everything an earlier life left; directories without a readable state are removed."""
        for entry in sorted(self._directory.iterdir()):
            try:
                item = self._read(entry)
            except (OSError, ValueError, TypeError, KeyError):
                shutil.rmtree(entry, ignore_errors=True)
                continue
            self._objects[item.id] = item

    def _read(self, directory: pathlib.Path) -> T:
        state: dict[str, Any] = json.loads((directory / "state.json").read_bytes())
        config = self._config_type.FromString((directory / "config.pb").read_bytes())
        known = {f.name for f in dataclasses.fields(self._kind)}
        fields = {key: value for key, value in state.items() if key in known}
        fields.update(id=directory.name, config=config, directory=directory)
        item: T = self._kind(**fields)
        return item


class Store:
    """Both tables, and the ways between them."""

    def __init__(self, state_directory: pathlib.Path) -> None:
        """Open the store below ``state_directory``; ``load`` reads it."""
        self.sandboxes: Table[Sandbox] = Table(
            state_directory / "sandboxes", Sandbox, api_pb2.PodSandboxConfig, "pod sandbox"
        )
        self.containers: Table[Container] = Table(
            state_directory / "containers", Container, api_pb2.ContainerConfig, "container"
        )

    def load(self) -> None:
        """Read what an earlier life left."""
        self.sandboxes.load()
        self.containers.load()

    def containers_of(self, sandbox_id: str) -> list[Container]:
        """All containers of a sandbox, half-made ones included."""
        return [c for c in self.containers if c.sandbox_id == sandbox_id]


def _state(item: Sandbox | Container) -> dict[str, Any]:
    skipped = item._RUNTIME_ONLY  # noqa: SLF001  the class's own list of what is not written
    return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.name not in skipped}


def _write(path: pathlib.Path, data: bytes) -> None:
    """Replace a file atomically. No fsync: the directory is on a tmpfs and dies with the processes it describes."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:  # a disk that is nearly full takes a part
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    temporary.replace(path)
