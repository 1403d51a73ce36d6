"""PID 1 of a PID namespace that a pod's containers share: a tiny container of its own, only where it is asked for.

It runs under conmon and the pod's OCI runtime like any other, in an empty read-only root, without any capability, so
that containers which see it in their /proc gain nothing through it. Blocks; call it in a thread.
"""

import json

from cri import erasure
from cri.oci_spec import clamps
from cri.oci_spec.build import OCI_VERSION
from cri.parts import Parts
from cri.runtime import conmon, pause
from cri.runtime.cgroup_names import cgroups_path
from cri.runtime.handlers import Handler
from cri.sandboxes import idmapped_mounts
from cri.store import Sandbox
from linux import processes

_NOBODY = 65535


def start(parts: Parts, handler: Handler, sandbox: Sandbox) -> None:
    """Create and start the holder; sets the sandbox's PID namespace."""
    rootfs = sandbox.directory / "rootfs"
    for mount_point in ("proc", "dev"):
        (rootfs / mount_point).mkdir(parents=True, exist_ok=True)
    program = rootfs / "pause"
    program.write_bytes(pause.executable(parts.host.machine))
    program.chmod(0o555)
    if sandbox.user_namespace:
        idmapped_mounts.make_accessible(str(program))
    spec = _spec(parts, sandbox)
    (sandbox.directory / "config.json").write_text(json.dumps(spec))
    job = conmon.Job(
        container_id=sandbox.id,
        name=sandbox.name,
        bundle=sandbox.directory,
        exits=parts.exits.directory,
        log_path=str(sandbox.directory / "holder.log"),
        runtime=handler.runtime.path,
        runtime_root=handler.runtime.root,
        systemd_cgroup=handler.runtime.systemd_cgroup,
    )
    sandbox.pid_holder = conmon.create(parts.conmon, job)
    sandbox.pid_holder_started = processes.start_time(sandbox.pid_holder)
    handler.runtime.start(sandbox.id, sandbox.pid_holder)
    sandbox.pid_namespace = f"/proc/{sandbox.pid_holder}/ns/pid"


def stop(parts: Parts, sandbox: Sandbox) -> None:
    """End the holder; absent is fine."""
    if not (sandbox.directory / "config.json").exists():
        return
    if sandbox.pid_holder and processes.is_alive(sandbox.pid_holder, sandbox.pid_holder_started):
        processes.kill(sandbox.pid_holder)
    sandbox.pid_holder = 0
    erasure.pid_holder(parts, sandbox, cgroups_path(parts.host, sandbox.cgroup_parent, sandbox.id))
    (sandbox.directory / "config.json").unlink(missing_ok=True)


def _spec(parts: Parts, sandbox: Sandbox) -> dict[str, object]:
    namespaces: list[dict[str, str]] = [{"type": "mount"}, {"type": "pid"}]
    pinned = (
        ("network", sandbox.network_namespace),
        ("ipc", sandbox.ipc_namespace),
        ("uts", sandbox.uts_namespace),
        ("user", sandbox.user_namespace),
    )
    namespaces += [{"type": kind, "path": path} for kind, path in pinned if path]
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "args": ["/pause"],
            "cwd": "/",
            "env": [],
            "user": {"uid": _NOBODY, "gid": _NOBODY},
            "noNewPrivileges": True,
            "capabilities": {},
            "oomScoreAdj": clamps.oom_score_adj(-998, parts.host),
        },
        "root": {"path": str(sandbox.directory / "rootfs"), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        ],
        "linux": {
            "namespaces": namespaces,
            "cgroupsPath": cgroups_path(parts.host, sandbox.cgroup_parent, sandbox.id),
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        },
    }
