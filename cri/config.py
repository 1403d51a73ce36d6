"""The configuration: crio.conf's TOML keys that apply here, drop-ins over it, flags over both.

Keys stand in the tables of CRI-O (``[crio]``, ``[crio.api]``, ``[crio.runtime]``, ``[crio.image]``,
``[crio.network]``, ``[crio.metrics]``); ``cri.config_keys`` says which there are. A key of CRI-O's that does nothing
here is named with the reason, one that nobody knows is named too; a value that can't be is an error that names file
and key.
"""

import dataclasses
import pathlib
import tomllib
from typing import Any

from component.flags import parse_duration
from component.logging import get_logger
from cri import config_keys, errors
from cri.oci_spec.capabilities import DEFAULT as DEFAULT_CAPABILITIES
from cri.options import Options

_log = get_logger("config")


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """``[crio.runtime.runtimes.NAME]``."""

    name: str
    path: str = ""
    root: str = ""
    privileged_without_host_devices: bool = False


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
    grpc_max_send_msg_size: int = 80 << 20
    grpc_max_recv_msg_size: int = 80 << 20
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
    device_ownership_from_security_context: bool = False
    pids_limit: int = 0
    log_level: str = ""
    log_size_max: int = -1
    seccomp_profile: str = ""
    seccomp_compatible_architectures: bool = False
    read_only: bool = False
    absent_mount_sources_to_reject: tuple[str, ...] = ()
    no_pivot: bool = False
    shm_size: int = 64 << 20
    default_cgroup_parent: str = "/minikube-py"
    cgroup_favor_dynmods: bool = False
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
    enable_metrics: bool = False
    metrics_port: int = 9090
    metrics_host: str = "127.0.0.1"

    @property
    def state(self) -> pathlib.Path:
        """The state directory."""
        return pathlib.Path(self.state_dir)

    @property
    def stall_seconds(self) -> float:
        """How long a pull may make no progress; 0 = for ever."""
        return parse_duration(self.pull_progress_timeout)


_NOT_CONFIGURATION = ("config", "config_dir", "v")
_FLAG_FIELDS = {"cni_config_dir": "network_dir", "cni_plugin_dir": "plugin_dirs"}
DEFAULT_FILE = "/etc/crio/crio.conf"
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Config)}
_NAMES = {tuple: "list of strings", str: "string", bool: "boolean", int: "number"}


def load(options: Options) -> Config:
    """Read the files and apply the flags.

    Raises:
        InvalidArgument: a file cannot be read, or has or a flag is a value that can't be.
    """
    values: dict[str, Any] = {}
    runtimes: dict[str, RuntimeEntry] = {}
    for path in _files(options):
        _merge(path, values, runtimes)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name not in _NOT_CONFIGURATION and value != field.default:
            values |= _flag(_FLAG_FIELDS.get(field.name, field.name), value)
    values["listen"] = str(values.get("listen", _DEFAULTS["listen"])).removeprefix("unix://")
    config = Config(**values, runtimes=tuple(runtimes[name] for name in sorted(runtimes)))
    if not config.cni_cache_dir:
        config = dataclasses.replace(config, cni_cache_dir=str(config.state / "cni"))
    return config


def _flag(name: str, value: Any) -> dict[str, Any]:
    try:
        config_keys.check(name, value)
    except ValueError as error:
        raise errors.InvalidArgument(f"flag --{name.replace('_', '-')}: {error}") from error
    # CRI-O's flag for the port needs another one to serve at all; here it says it by itself.
    return {name: value, "enable_metrics": value > 0} if name == "metrics_port" else {name: value}


def _files(options: Options) -> list[pathlib.Path]:
    main = pathlib.Path(options.config or DEFAULT_FILE)
    files = [main] if options.config or main.exists() else []
    drop_ins = pathlib.Path(options.config_dir or f"{main}.d")
    if drop_ins.is_dir():
        files += sorted(p for p in drop_ins.iterdir() if p.is_file() and not p.name.startswith("."))
    elif options.config_dir:
        raise errors.InvalidArgument(f"--config-dir {drop_ins} is not a directory")
    return files


def _merge(path: pathlib.Path, values: dict[str, Any], runtimes: dict[str, RuntimeEntry]) -> None:
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise errors.InvalidArgument(f"configuration file {path}: {error}") from error
    for name, settings in _take_runtimes(document).items():
        if not isinstance(settings, dict):
            raise errors.InvalidArgument(f"configuration file {path}: {config_keys.RUNTIMES}.{name} must be a table")
        runtimes.setdefault(name, RuntimeEntry(name))
        for setting, value in settings.items():
            runtimes[name] = _with_setting(path, runtimes[name], setting, value)
    for key, value in _flatten(document, ""):
        if key in config_keys.KEYS:
            name = config_keys.KEYS[key]
            values[name] = _value(path, key, name, value)
        else:
            _tell(path, key, config_keys.passed_over(key, value))


def _take_runtimes(document: dict[str, Any]) -> dict[str, Any]:
    table: Any = document
    for word in ("crio", "runtime"):
        table = table.get(word) if isinstance(table, dict) else None
    found = table.pop("runtimes", {}) if isinstance(table, dict) else {}
    return found if isinstance(found, dict) else {}


def _with_setting(path: pathlib.Path, entry: RuntimeEntry, setting: str, value: Any) -> RuntimeEntry:
    key = f"{config_keys.RUNTIMES}.{entry.name}.{setting}"
    field = config_keys.RUNTIME_FIELDS.get(setting)
    if field is not None:
        wanted = type(getattr(entry, field))
        if type(value) is not wanted:
            raise _wrong_type(path, key, wanted, value)
        return dataclasses.replace(entry, **{field: value})
    if setting != "runtime_type":
        _tell(path, key, config_keys.RUNTIME_WITHOUT_EFFECT.get(setting))
    elif value not in ("", "oci"):
        raise errors.InvalidArgument(f"configuration file {path}: {key}: only OCI runtimes are known, not {value!r}")
    return entry


def _tell(path: pathlib.Path, key: str, reason: str | None) -> None:
    if reason is None:
        _log.warning("Unknown key ignored", file=str(path), key=key)
    elif reason:
        _log.warning("Key has no effect here", file=str(path), key=key, because=reason)


def _flatten(table: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    result: list[tuple[str, Any]] = []
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            result.extend(_flatten(value, path + "."))
        elif not (isinstance(value, dict) and path in config_keys.TABLES):
            result.append((path, value))
    return result


def _value(path: pathlib.Path, key: str, name: str, value: Any) -> Any:
    wanted = type(_DEFAULTS[name])
    if wanted is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = tuple(value)
        if name == "default_capabilities":
            value = tuple(v if v.startswith("CAP_") else f"CAP_{v}" for v in value)
    elif type(value) is not wanted:
        raise _wrong_type(path, key, wanted, value)
    try:
        config_keys.check(name, value)
    except ValueError as error:
        raise errors.InvalidArgument(f"configuration file {path}: {key} {error}") from error
    return value


def _wrong_type(path: pathlib.Path, key: str, wanted: type, value: Any) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"configuration file {path}: {key} must be a {_NAMES[wanted]}, not {value!r}")
