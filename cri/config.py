"""The configuration: crio.conf's TOML keys that apply here, drop-ins over it, flags over both.

Keys stand in the tables of CRI-O (``[crio]``, ``[crio.api]``, ``[crio.runtime]``, ``[crio.image]``,
``[crio.network]``, ``[crio.metrics]``); ``KEYS`` maps each to a field. A key we do not know is reported, not obeyed; a
value of the wrong type is an error that names file and key.
"""

import dataclasses
import pathlib
import tomllib
from typing import Any

from component.flags import parse_duration
from component.logging import get_logger
from cri import errors
from cri.oci_spec.capabilities import DEFAULT as DEFAULT_CAPABILITIES
from cri.options import Options

_log = get_logger("config")


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """``[crio.runtime.runtimes.NAME]``."""

    name: str
    path: str = ""
    root: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    root: str = "/var/lib/containers/storage"
    runroot: str = "/run/containers/storage"
    state_dir: str = "/run/minikube-py/cri"
    log_dir: str = "/var/log/minikube-py/pods"
    durable_storage: bool = True
    listen: str = "/run/minikube-py/cri.sock"
    stream_address: str = "127.0.0.1"
    stream_port: str = "0"
    stream_idle_timeout: str = "4h"
    default_runtime: str = "auto"
    conmon: str = "conmon"
    cgroup_manager: str = "auto"
    default_capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    default_sysctls: tuple[str, ...] = (
        "net.ipv4.ping_group_range=0 2147483647",
        "net.ipv4.ip_unprivileged_port_start=0",
    )
    default_ulimits: tuple[str, ...] = ()
    default_env: tuple[str, ...] = ()
    additional_devices: tuple[str, ...] = ()
    cdi_spec_dirs: tuple[str, ...] = ("/etc/cdi", "/run/cdi", "/var/run/cdi")
    pids_limit: int = 0
    log_size_max: int = -1
    seccomp_profile: str = ""
    seccomp_compatible_architectures: bool = False
    read_only: bool = False
    absent_mount_sources_to_reject: tuple[str, ...] = ()
    no_pivot: bool = False
    shm_size: int = 64 << 20
    default_cgroup_parent: str = "/minikube-py"
    runtimes: tuple[RuntimeEntry, ...] = ()
    image_volumes: str = "mkdir"
    registries_conf: str = ""
    short_name_mode: str = ""
    global_auth_file: str = ""
    signature_policy: str = ""
    signature_policy_dir: str = ""
    pull_progress_timeout: str = "2m"
    big_files_temporary_dir: str = ""
    insecure_registries: tuple[str, ...] = ()
    pinned_images: tuple[str, ...] = ()
    skopeo: str = "skopeo"
    network_dir: str = "/etc/cni/net.d"
    plugin_dirs: tuple[str, ...] = ("/opt/cni/bin", "/usr/lib/cni")
    cni_cache_dir: str = ""
    cni_default_network: str = ""
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"

    @property
    def state(self) -> pathlib.Path:
        """The state directory."""
        return pathlib.Path(self.state_dir)

    @property
    def stall_seconds(self) -> float:
        """How long a pull may make no progress; 0 = for ever."""
        return parse_duration(self.pull_progress_timeout)


# Path of the TOML key -> field. The names are CRI-O's; those without a CRI-O counterpart are ours.
KEYS: dict[str, str] = {
    "crio.root": "root",
    "crio.runroot": "runroot",
    "crio.state_dir": "state_dir",
    "crio.log_dir": "log_dir",
    "crio.durable_storage": "durable_storage",
    "crio.api.listen": "listen",
    "crio.api.stream_address": "stream_address",
    "crio.api.stream_port": "stream_port",
    "crio.api.stream_idle_timeout": "stream_idle_timeout",
    "crio.runtime.default_runtime": "default_runtime",
    "crio.runtime.conmon": "conmon",
    "crio.runtime.cgroup_manager": "cgroup_manager",
    "crio.runtime.default_capabilities": "default_capabilities",
    "crio.runtime.default_sysctls": "default_sysctls",
    "crio.runtime.default_ulimits": "default_ulimits",
    "crio.runtime.default_env": "default_env",
    "crio.runtime.additional_devices": "additional_devices",
    "crio.runtime.cdi_spec_dirs": "cdi_spec_dirs",
    "crio.runtime.pids_limit": "pids_limit",
    "crio.runtime.log_size_max": "log_size_max",
    "crio.runtime.seccomp_profile": "seccomp_profile",
    "crio.runtime.seccomp_compatible_architectures": "seccomp_compatible_architectures",
    "crio.runtime.read_only": "read_only",
    "crio.runtime.absent_mount_sources_to_reject": "absent_mount_sources_to_reject",
    "crio.runtime.no_pivot": "no_pivot",
    "crio.runtime.shm_size": "shm_size",
    "crio.runtime.default_cgroup_parent": "default_cgroup_parent",
    "crio.image.image_volumes": "image_volumes",
    "crio.image.registries_conf": "registries_conf",
    "crio.image.short_name_mode": "short_name_mode",
    "crio.image.global_auth_file": "global_auth_file",
    "crio.image.signature_policy": "signature_policy",
    "crio.image.signature_policy_dir": "signature_policy_dir",
    "crio.image.pull_progress_timeout": "pull_progress_timeout",
    "crio.image.big_files_temporary_dir": "big_files_temporary_dir",
    "crio.image.insecure_registries": "insecure_registries",
    "crio.image.pinned_images": "pinned_images",
    "crio.image.skopeo": "skopeo",
    "crio.network.network_dir": "network_dir",
    "crio.network.plugin_dirs": "plugin_dirs",
    "crio.network.cni_cache_dir": "cni_cache_dir",
    "crio.network.cni_default_network": "cni_default_network",
    "crio.metrics.metrics_port": "metrics_port",
    "crio.metrics.metrics_host": "metrics_host",
}
_RUNTIMES = "crio.runtime.runtimes."
_FLAG_FIELDS = {"cni_config_dir": "network_dir", "cni_plugin_dir": "plugin_dirs"}
_NOT_CONFIGURATION = ("config", "config_dir", "v")


def load(options: Options) -> Config:
    """Read the files and apply the flags.

    Raises:
        InvalidArgument: a file cannot be read or has a value of the wrong type.
    """
    values: dict[str, Any] = {}
    runtimes: dict[str, RuntimeEntry] = {}
    for path in _files(options):
        _merge(path, values, runtimes)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name not in _NOT_CONFIGURATION and value != field.default:
            values[_FLAG_FIELDS.get(field.name, field.name)] = value
    values["listen"] = str(values.get("listen", _DEFAULTS["listen"])).removeprefix("unix://")
    config = Config(**values, runtimes=tuple(runtimes[name] for name in sorted(runtimes)))
    if not config.cni_cache_dir:
        config = dataclasses.replace(config, cni_cache_dir=str(config.state / "cni"))
    return config


def _files(options: Options) -> list[pathlib.Path]:
    files = [pathlib.Path(options.config)] if options.config else []
    drop_ins = options.config_dir or (f"{options.config}.d" if options.config else "")
    if drop_ins and pathlib.Path(drop_ins).is_dir():
        files += sorted(p for p in pathlib.Path(drop_ins).iterdir() if p.is_file() and not p.name.startswith("."))
    return files


def _merge(path: pathlib.Path, values: dict[str, Any], runtimes: dict[str, RuntimeEntry]) -> None:
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise errors.InvalidArgument(f"configuration file {path}: {error}") from error
    for key, value in _flatten(document, ""):
        if key.startswith(_RUNTIMES):
            name, _, setting = key.removeprefix(_RUNTIMES).partition(".")
            entry = runtimes.get(name, RuntimeEntry(name))
            if setting == "runtime_path":
                entry = dataclasses.replace(entry, path=str(value))
            elif setting == "runtime_root":
                entry = dataclasses.replace(entry, root=str(value))
            runtimes[name] = entry
        elif key in KEYS:
            values[KEYS[key]] = _typed(path, key, value)
        else:
            _log.warning("Unknown key ignored", file=str(path), key=key)


def _flatten(table: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    result: list[tuple[str, Any]] = []
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            result.extend(_flatten(value, path + "."))
        else:
            result.append((path, value))
    return result


def _typed(path: pathlib.Path, key: str, value: Any) -> Any:
    wanted = type(_DEFAULTS[KEYS[key]])
    if wanted is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return _capability_names(value) if key.endswith("default_capabilities") else tuple(value)
    if type(value) is wanted:
        if key.endswith("_timeout"):
            _check_duration(path, key, str(value))
        return value
    raise errors.InvalidArgument(f"configuration file {path}: {key} must be a {_NAMES[wanted]}, not {value!r}")


def _check_duration(path: pathlib.Path, key: str, value: str) -> None:
    try:
        parse_duration(value)
    except ValueError as error:
        raise errors.InvalidArgument(f"configuration file {path}: {key}: {error}") from error


_NAMES = {tuple: "list of strings", str: "string", bool: "boolean", int: "number"}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Config)}


def _capability_names(values: list[str]) -> tuple[str, ...]:
    return tuple(v if v.startswith("CAP_") else f"CAP_{v}" for v in values)
