"""Runtime handlers: the names a RuntimeClass can ask for, and which OCI runtime each one is.

The default is chosen by a probe: crun where it can create a container on this host, else runc. What stands in crun's
way on hosts with hybrid cgroups is moved first (``cri.runtime.stray_cgroups``). The result is kept until reboot.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from component.logging import get_logger
from cri import errors
from cri.config import Config, RuntimeEntry
from cri.runtime import oci_runtime, pause, stray_cgroups
from cri.runtime.oci_runtime import OciRuntime

_log = get_logger("handlers")
_PREFERRED = ("crun", "runc")


@dataclasses.dataclass(frozen=True, slots=True)
class Handler:
    """One handler."""

    name: str
    runtime: OciRuntime
    recursive_read_only: bool = False
    user_namespaces: bool = False
    host_devices: bool = True  # whether privileged containers get the node's


class Handlers:
    """All handlers by name; the empty name is the default one."""

    def __init__(self, handlers: dict[str, Handler], default: str) -> None:
        """Take the handlers as found."""
        self._handlers = handlers
        self.default = default

    def __iter__(self) -> Iterator[Handler]:
        """Go over the handlers by name."""
        return iter([self._handlers[name] for name in sorted(self._handlers)])

    def get(self, name: str) -> Handler:
        """A handler; ``""`` is the default."""
        handler = self._handlers.get(name or self.default)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            raise errors.NotFound(f"failed to find runtime handler {name} from runtime list [{known}]")
        return handler


def discover(config: Config, *, systemd_cgroup: bool) -> Handlers:
    """Find the OCI runtimes of this host and choose the default one.

    Raises:
        FailedPrecondition: there is none that works.
    """
    entries = {name: RuntimeEntry(name) for name in _PREFERRED}
    entries.update({entry.name: entry for entry in config.runtimes})
    handlers = {}
    for name, entry in entries.items():
        path = shutil.which(entry.path or name)
        if path is None:
            if entry.path:
                _log.warning("Runtime handler has no such binary", handler=name, path=entry.path)
            continue
        kind = oci_runtime.kind_of(path)
        root = entry.root or str(config.state / "oci" / name)
        pathlib.Path(root).mkdir(parents=True, exist_ok=True, mode=0o700)
        runtime = OciRuntime(path, root, kind, systemd_cgroup)
        handlers[name] = Handler(
            name,
            runtime,
            recursive_read_only=kind in ("crun", "runc"),
            user_namespaces=kind == "crun",
            host_devices=not entry.privileged_without_host_devices,
        )
    if not handlers:
        raise errors.FailedPrecondition("no OCI runtime found: install crun or runc (apt-get install crun)")
    return Handlers(handlers, _choose(config, handlers))


def _choose(config: Config, handlers: dict[str, Handler]) -> str:
    wanted = config.default_runtime
    if wanted not in ("", "auto"):
        if wanted not in handlers:
            raise errors.FailedPrecondition(f"default runtime {wanted!r} is not among {', '.join(sorted(handlers))}")
        if handlers[wanted].runtime.kind == "crun":
            stray_cgroups.take()
        return wanted
    cache = config.state / "default-runtime.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads(cache.read_text())
        if known["handlers"] == sorted(handlers) and known["default"] in handlers and not stray_cgroups.controllers():
            return str(known["default"])
    ordered = [name for name in _PREFERRED if name in handlers] + sorted(set(handlers) - set(_PREFERRED))
    for name in ordered:
        runtime = handlers[name].runtime
        if runtime.kind == "crun":
            stray_cgroups.take()
        failure = probe(runtime)
        if not failure:
            cache.write_text(json.dumps({"handlers": sorted(handlers), "default": name}))
            _log.info("Default runtime chosen", handler=name, path=runtime.path)
            return name
        _log.warning("Runtime cannot run here", handler=name, path=runtime.path, cause=failure)
    raise errors.FailedPrecondition("none of the installed OCI runtimes can create a container on this host")


def probe(runtime: OciRuntime) -> str:
    """Create a trivial container; returns why that failed, or an empty string."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=pathlib.Path(runtime.root).parent) as directory:
        bundle = pathlib.Path(directory)
        rootfs = bundle / "rootfs"
        for mount_point in ("proc", "dev"):
            (rootfs / mount_point).mkdir(parents=True)
        program = rootfs / "pause"
        try:
            program.write_bytes(pause.executable(os.uname().machine))
        except errors.Unimplemented:
            return ""  # no program to try it with: believe it
        program.chmod(0o755)
        name = f"probe-{bundle.name.removeprefix('probe-')}"
        (bundle / "config.json").write_text(json.dumps(_probe_spec(name)))
        try:
            runtime.create(bundle, name)
        except errors.CRIError as error:
            return str(error)
        finally:
            with contextlib.suppress(errors.CRIError):
                runtime.delete(name)
    return ""


def _probe_spec(name: str) -> dict[str, object]:
    return {
        "ociVersion": "1.0.2",
        "process": {"args": ["/pause"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": [], "noNewPrivileges": True},
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}], "cgroupsPath": f"/minikube-py-{name}"},
    }
