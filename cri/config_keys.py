"""The keys of crio.conf: which field each sets, what its values may be, which wait for a restart or do nothing here.

Tables only, so that a key is one row. The names are CRI-O's; ``OURS`` are those without a counterpart there.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from component.flags import parse_duration
from cri.image_volumes import MODES as IMAGE_VOLUME_MODES
from cri.images.registries_conf import MODES as SHORT_NAME_MODES
from cri.oci_spec.capabilities import KNOWN as KNOWN_CAPABILITIES

LOG_LEVELS = {
    "fatal": "error",
    "panic": "error",
    "error": "error",
    "warn": "warning",
    "warning": "warning",
    "info": "info",
    "debug": "debug",
    "trace": "debug",
}

FIELDS: dict[str, tuple[str, ...]] = {
    "crio": ("root", "runroot", "log_dir"),
    "crio.api": (
        "listen",
        "stream_address",
        "stream_port",
        "stream_idle_timeout",
        "grpc_max_send_msg_size",
        "grpc_max_recv_msg_size",
    ),
    "crio.runtime": (
        "default_runtime",
        "conmon",
        "cgroup_manager",
        "default_capabilities",
        "default_sysctls",
        "default_ulimits",
        "default_env",
        "additional_devices",
        "cdi_spec_dirs",
        "device_ownership_from_security_context",
        "pids_limit",
        "log_level",
        "log_size_max",
        "seccomp_profile",
        "read_only",
        "absent_mount_sources_to_reject",
        "no_pivot",
    ),
    "crio.image": (
        "image_volumes",
        "short_name_mode",
        "global_auth_file",
        "signature_policy",
        "signature_policy_dir",
        "pull_progress_timeout",
        "big_files_temporary_dir",
        "insecure_registries",
        "pinned_images",
    ),
    "crio.network": ("network_dir", "plugin_dirs", "cni_default_network"),
    "crio.metrics": ("enable_metrics", "metrics_port", "metrics_host"),
}
OURS: dict[str, tuple[str, ...]] = {
    "crio": ("state_dir", "durable_storage"),
    "crio.runtime": ("seccomp_compatible_architectures", "shm_size", "default_cgroup_parent", "cgroup_favor_dynmods"),
    "crio.image": ("registries_conf", "skopeo"),
    "crio.network": ("cni_cache_dir",),
}
KEYS: dict[str, str] = {
    f"{table}.{name}": name for tables in (FIELDS, OURS) for table, names in tables.items() for name in names
}
RUNTIMES = "crio.runtime.runtimes"
RUNTIME_FIELDS = {
    "runtime_path": "path",
    "runtime_root": "root",
    "privileged_without_host_devices": "privileged_without_host_devices",
}

# What the parts take in when they are made; anything else counts from the next call on.
RESTART_ONLY = frozenset(
    (
        *("root", "runroot", "log_dir", "state_dir", "durable_storage", "conmon", "cgroup_manager"),
        *FIELDS["crio.api"],
        *FIELDS["crio.network"],
        *FIELDS["crio.metrics"],
        *("registries_conf", "cni_cache_dir", "cgroup_favor_dynmods"),
    )
)

_NO_PAUSE = "pods have no pause container"
_ALWAYS = "this is always done"
_ANY = object()
# Keys of CRI-O's that do nothing here: the values that ask for nothing else, and why others are passed over.
WITHOUT_EFFECT: dict[str, tuple[Any, str]] = {
    "crio.version_file": (_ANY, "the state lies on a tmpfs and goes with a reboot"),
    "crio.version_file_persist": (_ANY, "images stay over an upgrade"),
    "crio.clean_shutdown_file": (_ANY, "the store is looked through at every start"),
    "crio.internal_wipe": (_ANY, "a reboot leaves no containers, and images stay"),
    "crio.internal_repair": (_ANY, _ALWAYS),
    "crio.storage_driver": (("", "overlay"), "images are kept in overlay layers"),
    "crio.storage_option": (([],), "layers are mounted without options"),
    "crio.imagestore": (("",), "images are kept below root"),
    "crio.api.stream_enable_tls": ((False,), "streams are served on the loopback interface without TLS"),
    "crio.api.stream_tls_cert": (("",), "streams are served without TLS"),
    "crio.api.stream_tls_key": (("",), "streams are served without TLS"),
    "crio.api.stream_tls_ca": (("",), "streams are served without TLS"),
    "crio.runtime.decryption_keys_path": (("", "/etc/crio/keys/"), "encrypted images are not supported"),
    "crio.runtime.conmon_cgroup": (_ANY, "monitors are in the pod's cgroup"),
    "crio.runtime.conmon_env": (([],), "monitors get a PATH and nothing else"),
    "crio.runtime.selinux": ((False,), "SELinux labels are used where the host has it"),
    "crio.runtime.seccomp_use_default_when_empty": (_ANY, "an empty profile is what the API says it is"),
    "crio.runtime.apparmor_profile": (("", "crio-default"), "the default profile has a fixed name"),
    "crio.runtime.privileged_seccomp_profile": (("",), "privileged containers are not filtered"),
    "crio.runtime.add_inheritable_capabilities": ((False,), "inheritable capabilities stay empty"),
    "crio.runtime.allowed_devices": (_ANY, "devices are not given by annotation"),
    "crio.runtime.hooks_dir": (([],), "OCI hooks come from CDI only"),
    "crio.runtime.default_mounts_file": (("",), "there are no default mounts"),
    "crio.runtime.default_mounts": (([],), "there are no default mounts"),
    "crio.runtime.log_filter": (("",), "logs are not filtered"),
    "crio.runtime.log_to_journald": ((False,), "containers log to files"),
    "crio.runtime.container_exits_dir": (_ANY, "exit files are below state_dir"),
    "crio.runtime.container_attach_socket_dir": (_ANY, "sockets are below state_dir"),
    "crio.runtime.namespaces_dir": (_ANY, "namespaces are pinned below state_dir"),
    "crio.runtime.pinns_path": (_ANY, "namespaces are made by the runtime itself"),
    "crio.runtime.bind_mount_prefix": (("",), "host paths are taken as they are"),
    "crio.runtime.uid_mappings": (("",), "user namespaces are asked for per pod"),
    "crio.runtime.gid_mappings": (("",), "user namespaces are asked for per pod"),
    "crio.runtime.minimum_mappable_uid": ((-1,), "mappings are the kubelet's"),
    "crio.runtime.minimum_mappable_gid": ((-1,), "mappings are the kubelet's"),
    "crio.runtime.ctr_stop_timeout": (_ANY, "the kubelet's grace period counts"),
    "crio.runtime.drop_infra_ctr": (_ANY, _NO_PAUSE),
    "crio.runtime.infra_ctr_cpuset": (("",), _NO_PAUSE),
    "crio.runtime.shared_cpuset": (("",), "cpusets are the kubelet's"),
    "crio.runtime.enable_criu_support": (_ANY, "criu is used where it is installed"),
    "crio.runtime.enable_pod_events": (_ANY, _ALWAYS),
    "crio.runtime.hostnetwork_disable_selinux": (_ANY, "labels are what the pod asks for"),
    "crio.runtime.disable_hostport_mapping": ((False,), "host ports are mapped by the portmap plugin of the network"),
    "crio.runtime.irqbalance_config_file": (_ANY, "interrupts are not steered"),
    "crio.runtime.irqbalance_config_restore_file": (_ANY, "interrupts are not steered"),
    "crio.runtime.rdt_config_file": (("",), "resctrl is not used"),
    "crio.runtime.blockio_config_file": (("",), "block devices are not classed"),
    "crio.runtime.blockio_reload": ((False,), "block devices are not classed"),
    "crio.runtime.timezone": (("",), "containers have the time zone of their image"),
    "crio.image.default_transport": (("docker://",), "images are pulled from registries"),
    "crio.image.pause_image": (_ANY, _NO_PAUSE),
    "crio.image.pause_image_auth_file": (_ANY, _NO_PAUSE),
    "crio.image.pause_command": (_ANY, _NO_PAUSE),
    "crio.image.registries": (_ANY, "CRI-O has dropped it, too: see registries.conf"),
    "crio.image.separate_pull_cgroup": (("",), "pulls are in the runtime's cgroup"),
    "crio.image.auto_reload_registries": (_ANY, _ALWAYS),
    "crio.image.namespaced_auth_dir": (("", "/etc/crio/auth"), "credentials come with the request"),
    "crio.image.oci_artifact_mount_support": (_ANY, "image volumes are images"),
    "crio.metrics.metrics_collectors": (_ANY, "all metrics are served"),
    "crio.metrics.metrics_socket": (("",), "metrics are served on a port"),
    "crio.metrics.metrics_cert": (("",), "metrics are served without TLS"),
    "crio.metrics.metrics_key": (("",), "metrics are served without TLS"),
    "crio.tracing.enable_tracing": ((False,), "traces are not exported"),
    "crio.tracing.tracing_endpoint": (_ANY, "traces are not exported"),
    "crio.tracing.tracing_sampling_rate_per_million": (_ANY, "traces are not exported"),
    "crio.stats.stats_collection_period": ((0,), "statistics are collected when they are asked for"),
    "crio.stats.collection_period": ((0,), "statistics are collected when they are asked for"),
    "crio.stats.included_pod_metrics": (_ANY, "all of a pod's metrics are served"),
    "crio.nri.enable_nri": (_ANY, "NRI plugins are not supported"),
}
RUNTIME_WITHOUT_EFFECT = {
    "allowed_annotations": "annotations give no rights",
    "default_annotations": "annotations are the pod's",
    "runtime_config_path": "only OCI runtimes are known",
    "runtime_pull_image": "only OCI runtimes are known",
    "privileged_without_host_devices_all_devices_allowed": "devices are allowed with the privilege",
    "monitor_path": "conmon is the same for all handlers",
    "monitor_cgroup": "monitors are in the pod's cgroup",
    "monitor_env": "monitors get a PATH and nothing else",
    "monitor_exec_cgroup": "commands are in the container's cgroup",
    "platform_runtime_paths": "one runtime serves all platforms",
    "container_min_memory": "the limit is what the pod asks for",
    "no_sync_log": "logs are never brought to the disk at once",
    "stream_websockets": "streams are served over WebSockets as well",
    "exec_cpu_affinity": "commands run where the container does",
    "inherit_default_runtime": "a handler's path is its own",
}
TABLES = frozenset(
    (*FIELDS, "crio.runtime.runtimes", "crio.runtime.workloads", "crio.tracing", "crio.stats", "crio.nri")
)
_PREFIXES_WITHOUT_EFFECT = {
    "crio.nri.": "NRI plugins are not supported",
    "crio.runtime.workloads.": "workload types are not supported",
}


def passed_over(key: str, value: Any) -> str | None:
    """Why a key of CRI-O's does nothing here; empty where its value asks for nothing; None for a key nobody knows."""
    if key in WITHOUT_EFFECT:
        neutral, reason = WITHOUT_EFFECT[key]
        return "" if neutral is _ANY or value in neutral else reason
    return next((reason for prefix, reason in _PREFIXES_WITHOUT_EFFECT.items() if key.startswith(prefix)), None)


def check(name: str, value: Any) -> None:
    """Refuse what a field can't be.

    Raises:
        ValueError: the text says what it must be.
    """
    if name in CHECKS:
        CHECKS[name](value)


def _one_of(*words: str) -> Callable[[str], None]:
    def look(value: str) -> None:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(word or 'nothing' for word in words)}, not {value!r}")

    return look


def _each(pattern: str, form: str) -> Callable[[tuple[str, ...]], None]:
    known = re.compile(pattern)

    def look(values: tuple[str, ...]) -> None:
        for value in values:
            if not known.fullmatch(value):
                raise ValueError(f"{value!r} is not {form}")

    return look


def _path(value: str) -> None:
    if value and not value.startswith("/"):
        raise ValueError(f"must be an absolute path, not {value!r}")


def _paths(values: tuple[str, ...]) -> None:
    for value in values:
        _path(value)


def _duration(value: str) -> None:
    if parse_duration(value) < 0:
        raise ValueError(f"must not be negative: {value!r}")


def _port(value: int | str) -> None:
    if not (str(value).isdecimal() and int(value) <= 65535):
        raise ValueError(f"must be a port, not {value!r}")


def _address(value: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"must be an IP address, not {value!r}") from None


def _log_size(value: int) -> None:
    if 0 <= value < _CONMON_BUFFER:
        raise ValueError(f"must be negative (no limit) or at least {_CONMON_BUFFER}, not {value}")


def _positive(value: int) -> None:
    if value <= 0:
        raise ValueError(f"must be more than 0, not {value}")


def _capabilities(values: tuple[str, ...]) -> None:
    for value in values:
        if value not in KNOWN_CAPABILITIES:
            raise ValueError(f"{value!r} is not a capability")


_CONMON_BUFFER = 8192
CHECKS: dict[str, Callable[[Any], None]] = {
    **dict.fromkeys(
        ("root", "runroot", "state_dir", "log_dir", "signature_policy_dir", "big_files_temporary_dir"), _path
    ),
    **dict.fromkeys(("network_dir", "cni_cache_dir", "seccomp_profile"), _path),
    **dict.fromkeys(("plugin_dirs", "cdi_spec_dirs", "absent_mount_sources_to_reject"), _paths),
    **dict.fromkeys(("pull_progress_timeout", "stream_idle_timeout"), _duration),
    **dict.fromkeys(("stream_port", "metrics_port"), _port),
    **dict.fromkeys(("stream_address", "metrics_host"), _address),
    **dict.fromkeys(("grpc_max_send_msg_size", "grpc_max_recv_msg_size", "shm_size"), _positive),
    "cgroup_manager": _one_of("auto", "cgroupfs", "systemd"),
    "image_volumes": _one_of(*IMAGE_VOLUME_MODES),
    "short_name_mode": _one_of("", *SHORT_NAME_MODES),
    "log_level": _one_of("", *LOG_LEVELS),
    "log_size_max": _log_size,
    "default_capabilities": _capabilities,
    "default_sysctls": _each(r"[^=\s]+\s*=\s*\S.*", "KEY=VALUE"),
    "default_env": _each(r"[^=\s]+=.*", "NAME=VALUE"),
    "default_ulimits": _each(r"[a-z]+=-?[0-9]+(:-?[0-9]+)?", "NAME=SOFT[:HARD]"),
    "additional_devices": _each(r"/[^:]*(:/[^:]*)?(:[rwm]{1,3})?", "HOST[:CONTAINER[:PERMISSIONS]]"),
}
