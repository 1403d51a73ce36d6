"""The command line of the runtime.

A flag that is given wins over the configuration file; most keys have no flag. Flag names are CRI-O's where it has one.
"""

import dataclasses

from component.flags import flag


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """Flags; an empty value leaves the say to the configuration file."""

    config: str = flag("", help="Configuration file in crio.conf's TOML form.")
    config_dir: str = flag("", help="Directory of drop-in files, read after --config in the order of their names.")
    listen: str = flag("", help="Path of the unix socket to serve CRI on.")
    root: str = flag("", help="Root directory of containers/storage.")
    runroot: str = flag("", help="Run directory of containers/storage.")
    state_dir: str = flag("", help="Directory for sandboxes and containers; must not survive a reboot.")
    log_dir: str = flag("", help="Directory for logs of containers whose pod names none.")
    default_runtime: str = flag("", help="Default runtime handler; auto = crun if it can run here, else runc.")
    conmon: str = flag("", help="Path of conmon.")
    cgroup_manager: str = flag("", help="cgroupfs or systemd; auto = systemd where it is PID 1.")
    cni_config_dir: str = flag("", help="Directory of CNI network configurations.")
    cni_plugin_dir: tuple[str, ...] = flag((), help="Directories of CNI plugins.")
    cni_cache_dir: str = flag("", help="Directory for CNI results.")
    stream_address: str = flag("", help="Address of the exec, attach and port-forward server.")
    stream_port: str = flag("", help="Port of that server; 0 = any.")
    metrics_port: int = flag(-1, help="Port for /metrics; 0 = off.")
    registries_conf: str = flag("", help="The registries.conf to obey.")
    log_level: str = flag("", help="What is logged: fatal, panic, error, warn, info, debug or trace.")
    v: int = flag(0, help="Log level as a number.")
