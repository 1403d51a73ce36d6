"""Profiles: a cluster's name, its directories, its addresses and its ports, kept as JSON.

A profile lives in `$MINIKUBE_PY_HOME/profiles/NAME` (default `~/.minikube-py`); its sockets and other state of one boot
in `/run/minikube-py/NAME`. Names of kernel objects (bridge, nftables table, cgroup) are derived from the profile, so
that several clusters stand side by side and `delete` knows what is its own.
"""

import dataclasses
import ipaddress
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from linux.files import atomic_write
from minikube_py.reasons import (
    BAD_CIDR,
    BAD_PROFILE_NAME,
    NETWORK_IN_USE,
    PROFILE_DAMAGED,
    PROFILE_NOT_FOUND,
    Failure,
)

DEFAULT_NAME = "minikube"
FORMAT = 1
MOST_CLUSTERS = 11
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of one profile: on loopback, `apiserver` also on the node address, `kubelet` only there."""

    apiserver: int = 8443
    etcd: int = 2379
    etcd_peer: int = 2380
    scheduler: int = 10259
    controllers: int = 10257
    proxy_health: int = 10256
    proxy_metrics: int = 10249
    kubelet: int = 10250
    kubelet_health: int = 10248


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses of one profile.

    Attributes:
        index: Which of the host's clusters this is; decides the defaults below.
        bridge: The pods' bridge on the host.
        node_ip: The node's address: the bridge's own, so that it outlives a change of the host's network.
        pod_cidr: The node's share of `cluster_cidr`.
    """

    index: int
    bridge: str
    node_ip: str
    pod_cidr: str
    cluster_cidr: str
    service_cidr: str
    dns_ip: str


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is decided about a cluster when it is made."""

    name: str
    network: Network
    ports: Ports = field(default_factory=Ports)
    driver: str = "none"
    container_runtime: str = "cri-o"
    kubernetes_version: str = ""
    storage_root: str = "/var/lib/containers/storage"
    storage_runroot: str = "/run/containers/storage"
    oci_runtime: str = ""
    apiserver_names: tuple[str, ...] = ()
    apiserver_ips: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    force_systemd: bool = False
    extra_config: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """Everything of the profile that outlives a boot."""
        return profiles_directory() / self.name

    @property
    def run_directory(self) -> Path:
        """Sockets and state of this boot."""
        return Path("/run/minikube-py") / self.name

    @property
    def cri_socket(self) -> Path:
        """Where the container runtime listens."""
        return self.run_directory / "cri.sock"

    @property
    def logs(self) -> Path:
        """One log file per program."""
        return self.directory / "logs"

    @property
    def cgroup(self) -> str:
        """The cgroup that holds the pods of this cluster."""
        return f"/minikube-py-{self.name}"

    @property
    def proxy_table(self) -> str:
        """The nftables table of this cluster's proxy."""
        return f"minikube-py-{self.name}"

    @property
    def server(self) -> str:
        """The API server's address for clients on this host."""
        return f"https://127.0.0.1:{self.ports.apiserver}"

    def save(self) -> None:
        """Write `config.json`, whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o755)
        document = {"format": FORMAT, **dataclasses.asdict(self)}
        atomic_write(self.directory / "config.json", json.dumps(document, indent=2).encode() + b"\n", 0o644)


def home() -> Path:
    """`$MINIKUBE_PY_HOME`, or `~/.minikube-py`."""
    return Path(os.environ.get("MINIKUBE_PY_HOME") or Path.home() / ".minikube-py")


def profiles_directory() -> Path:
    """Where the profiles of this home lie."""
    return home() / "profiles"


def checked_name(name: str) -> str:
    """The name, if it may name a profile.

    Raises:
        Failure: BAD_PROFILE_NAME.
    """
    if not _NAME.match(name):
        raise Failure(BAD_PROFILE_NAME, f"{name!r} is not a valid profile name")
    return name


def active_name() -> str:
    """The profile that commands without `-p` mean."""
    try:
        chosen = (home() / "active-profile").read_text().strip()
    except OSError:
        return DEFAULT_NAME
    return chosen if _NAME.match(chosen) else DEFAULT_NAME


def set_active(name: str) -> None:
    """Make `name` the profile that commands without `-p` mean."""
    home().mkdir(parents=True, exist_ok=True)
    atomic_write(home() / "active-profile", name.encode() + b"\n", 0o644)


def exists(name: str) -> bool:
    """Whether anything of a profile is on disk, damaged or not."""
    return (profiles_directory() / name).is_dir()


def load(name: str) -> Profile:
    """Read a profile.

    Raises:
        Failure: PROFILE_NOT_FOUND, or PROFILE_DAMAGED where its file is missing, torn or of another format.
    """
    directory = profiles_directory() / checked_name(name)
    if not directory.is_dir():
        raise Failure(PROFILE_NOT_FOUND, f'Profile "{name}" not found', name=name)
    try:
        document = json.loads((directory / "config.json").read_bytes())
        if document.pop("format") != FORMAT:
            raise ValueError("unknown format")
        document["ports"] = Ports(**document["ports"])
        document["network"] = Network(**document["network"])
        for key in ("apiserver_names", "apiserver_ips", "insecure_registries", "extra_config"):
            document[key] = tuple(document.get(key, ()))
        return Profile(**document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(
            PROFILE_DAMAGED, f'Profile "{name}" can\'t be read: {error}', name=name, path=directory
        ) from error


def names() -> list[str]:
    """The names of all profiles of this home, damaged ones included."""
    try:
        return sorted(entry.name for entry in profiles_directory().iterdir() if entry.is_dir())
    except OSError:
        return []


def default_network(index: int, pod_cidr: str = "", service_cidr: str = "") -> Network:
    """The addresses of the host's cluster number `index` (0 has upstream's usual ones).

    Args:
        index: From 0 to MOST_CLUSTERS - 1.
        pod_cidr: The range for all pods, if the person chose one.
        service_cidr: The range for Services, if the person chose one.

    Raises:
        Failure: BAD_CIDR.
    """
    cluster = _range(pod_cidr or f"10.{244 + index}.0.0/16", smallest=24)
    services = _range(service_cidr or ("10.96.0.0/12" if index == 0 else f"10.{111 + index}.0.0/16"), smallest=24)
    if cluster.overlaps(services):
        raise Failure(BAD_CIDR, f"the pods' range {cluster} and the services' range {services} overlap")
    pods = cluster if cluster.prefixlen >= 24 else next(cluster.subnets(new_prefix=24))
    return Network(
        index=index,
        bridge=f"mkpy{index}",
        node_ip=str(pods[1]),
        pod_cidr=str(pods),
        cluster_cidr=str(cluster),
        service_cidr=str(services),
        dns_ip=str(services[10]),
    )


def _range(text: str, smallest: int) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise Failure(BAD_CIDR, f"{text!r} is not an IPv4 range: {error}") from error
    if network.prefixlen > smallest:
        raise Failure(BAD_CIDR, f"{network} is too small: it needs /{smallest} or wider")
    return network


_CLAIMS = Path("/var/lib/minikube-py/networks")
_LINKS = Path("/sys/class/net")


def claim_network(name: str, pod_cidr: str = "", service_cidr: str = "") -> Network:
    """Take the lowest network index that no cluster of this host holds, whichever home it lives in.

    A claim is a file that names the profile's directory; one whose directory has gone is free again.

    Raises:
        Failure: NETWORK_IN_USE, BAD_CIDR.
    """
    _CLAIMS.mkdir(parents=True, exist_ok=True)
    owner = str(profiles_directory() / name)
    for index in range(MOST_CLUSTERS):
        network = default_network(index, pod_cidr, service_cidr)
        claim = _CLAIMS / str(index)
        try:
            holder = claim.read_text()
        except OSError:
            holder = ""
        if holder and holder != owner and Path(holder, "config.json").exists():
            continue
        if not holder and (_LINKS / network.bridge).exists():
            continue
        atomic_write(claim, owner.encode(), 0o644)
        return network
    raise Failure(NETWORK_IN_USE, f"all {MOST_CLUSTERS} networks of this host are taken")


def release_network(name: str) -> None:
    """Give back the network index of a profile; removes the registry with its last claim."""
    owner = str(profiles_directory() / name)
    if not _CLAIMS.is_dir():
        return
    for claim in _CLAIMS.iterdir():
        if claim.read_text() == owner:
            claim.unlink()
    for directory in (_CLAIMS, _CLAIMS.parent):
        try:
            directory.rmdir()
        except OSError:
            return


def claimed_network(name: str) -> Network:
    """The network a profile claimed, told by the host's registry alone (for profiles that can't be read)."""
    owner = str(profiles_directory() / name)
    for index in range(MOST_CLUSTERS):
        try:
            if (_CLAIMS / str(index)).read_text() == owner:
                return default_network(index)
        except OSError:
            continue
    return default_network(MOST_CLUSTERS - 1)


def forget(name: str) -> None:
    """Remove a profile's directories and its claim (what runs must have ended before)."""
    release_network(name)
    shutil.rmtree(profiles_directory() / name, ignore_errors=True)
    shutil.rmtree(Path("/run/minikube-py") / name, ignore_errors=True)
    for directory in (Path("/run/minikube-py"), profiles_directory()):
        try:
            directory.rmdir()
        except OSError:
            continue
    if active_name() == name:
        (home() / "active-profile").unlink(missing_ok=True)


def remove_empty_home() -> None:
    """Remove the home's directories where nothing is left in them."""
    for directory in (profiles_directory(), home()):
        try:
            directory.rmdir()
        except OSError:
            continue
