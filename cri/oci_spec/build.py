"""The OCI runtime configuration of a container. Pure: facts in, ``config.json`` as a dict out.

Everything that needs the disk, the kernel or another container is looked up before and handed over in ``Facts``.
"""

import dataclasses
from typing import Any

from cri.oci_spec import capabilities, clamps, devices, mounts, namespaces, process, resources
from protocols.cri import api_pb2

OCI_VERSION = "1.0.2"  # Debian's crun 1.8 refuses newer ones


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What a container's configuration is made of."""

    config: api_pb2.ContainerConfig
    sandbox: api_pb2.PodSandboxConfig
    image: dict[str, Any]  # the image configuration's "config"
    host: clamps.HostFacts
    container_id: str
    sandbox_id: str
    rootfs: str
    cgroups_path: str
    user: process.User
    pod_namespaces: namespaces.PodNamespaces
    target_pid: int = 0
    allowed: frozenset[str] = frozenset()
    seccomp: dict[str, Any] | None = None
    seccomp_filter: str = ""  # base64 of the compiled filter, for runtimes that take one
    apparmor: str = ""
    labels: tuple[str, str] = ("", "")
    system_mounts: mounts.SystemMounts = dataclasses.field(default_factory=mounts.SystemMounts)
    binds: tuple[mounts.BindMount, ...] = ()
    extra_mounts: tuple[mounts.Mount, ...] = ()
    device_nodes: tuple[devices.DeviceNode, ...] = ()
    limits: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    pids_limit: int = 0
    hostname: str = ""
    read_only_root: bool = False
    environment: tuple[str, ...] = ()  # from CDI
    hooks: dict[str, Any] = dataclasses.field(default_factory=dict)


def build(facts: Facts) -> dict[str, Any]:
    """Put the configuration together."""
    spec: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "process": _process(facts),
        "root": {"path": facts.rootfs, "readonly": facts.read_only_root},
        "mounts": _mounts(facts),
        "annotations": _annotations(facts),
        "linux": _linux(facts),
    }
    if facts.hooks:
        spec["hooks"] = facts.hooks
    return spec


def _context(facts: Facts) -> api_pb2.LinuxContainerSecurityContext:
    return facts.config.linux.security_context


def _process(facts: Facts) -> dict[str, Any]:
    context = _context(facts)
    user: dict[str, Any] = {"uid": facts.user.uid, "gid": facts.user.gid}
    if facts.user.groups:
        user["additionalGids"] = list(facts.user.groups)
    asked = facts.config.linux.resources.oom_score_adj
    result: dict[str, Any] = {
        "terminal": facts.config.tty,
        "user": user,
        "args": process.arguments(facts.config, facts.image),
        "env": [*process.environment(facts.config, facts.image, facts.hostname), *facts.environment],
        "cwd": process.working_directory(facts.config, facts.image),
        "capabilities": capabilities.process_sets(context, facts.allowed),
        "noNewPrivileges": context.no_new_privs,
        "oomScoreAdj": clamps.oom_score_adj(asked, facts.host),
    }
    limits = process.limits(facts.limits, facts.host)
    if limits:
        result["rlimits"] = limits
    if facts.apparmor:
        result["apparmorProfile"] = facts.apparmor
    if facts.labels[0]:
        result["selinuxLabel"] = facts.labels[0]
    return result


def _mounts(facts: Facts) -> list[mounts.Mount]:
    requested = [mounts.bind(b) for b in facts.binds]
    return mounts.merge(mounts.system(facts.system_mounts), list(facts.extra_mounts), requested)


def _annotations(facts: Facts) -> dict[str, str]:
    metadata = facts.sandbox.metadata
    result = {
        "io.kubernetes.cri-o.ContainerType": "container",
        "io.kubernetes.cri-o.SandboxID": facts.sandbox_id,
        "io.kubernetes.pod.name": metadata.name,
        "io.kubernetes.pod.namespace": metadata.namespace,
        "io.kubernetes.pod.uid": metadata.uid,
        "io.kubernetes.container.name": facts.config.metadata.name,
    }
    if facts.seccomp_filter:
        result["run.oci.seccomp_bpf_data"] = facts.seccomp_filter
    if facts.host.systemd_cgroups:
        # crun would put the container into a group below its scope, and update limits there only: a raised one had
        # no effect below the scope's own.
        result["run.oci.systemd.subgroup"] = ""
    return result


def _linux(facts: Facts) -> dict[str, Any]:
    context = _context(facts)
    limits = resources.linux_resources(facts.config.linux.resources, facts.host, pids_limit=facts.pids_limit)
    limits["devices"] = devices.cgroup_rules(list(facts.device_nodes), everything=context.privileged)
    result: dict[str, Any] = {
        "cgroupsPath": facts.cgroups_path,
        "namespaces": namespaces.container_namespaces(
            context.namespace_options, facts.pod_namespaces, facts.target_pid
        ),
        "resources": limits,
        "devices": devices.linux_devices(list(facts.device_nodes)),
    }
    if facts.seccomp is not None:
        result["seccomp"] = facts.seccomp
    if not context.privileged:
        if context.masked_paths:
            result["maskedPaths"] = list(context.masked_paths)
        if context.readonly_paths:
            result["readonlyPaths"] = list(context.readonly_paths)
    propagation = mounts.root_propagation(list(facts.binds))
    if propagation:
        result["rootfsPropagation"] = propagation
    if facts.labels[1]:
        result["mountLabel"] = facts.labels[1]
    return result
