"""Command line and KubeletConfiguration file, under upstream's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from component.flags import flag, parse_duration

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """Flags of `python -m kubelet`."""

    kubeconfig: str = flag("", help="Kubeconfig to reach the API server with.")
    config: str = flag("", help="KubeletConfiguration file (YAML).")
    container_runtime_endpoint: str = flag(
        "unix:///run/containerd/containerd.sock", help="CRI endpoint of the runtime service."
    )
    image_service_endpoint: str = flag("", help="CRI endpoint of the image service; the runtime's if empty.")
    hostname_override: str = flag("", help="Name of the node; the host's name if empty.")
    node_ip: tuple[str, ...] = flag((), help="Addresses of the node; found by the default route if empty.")
    root_dir: str = flag("/var/lib/kubelet", help="Directory for pods, volumes and other state.")
    tls_cert_file: str = flag("", help="Certificate of the HTTPS server; self-signed if empty.")
    tls_private_key_file: str = flag("", help="Its key.")
    register_node: bool = flag(default=True, help="Create the Node object.")
    node_labels: tuple[str, ...] = flag((), help="Labels of a newly registered node, key=value.")
    register_with_taints: tuple[str, ...] = flag((), help="Taints of a newly registered node, key=value:effect.")
    pod_manifest_path: str = flag("", help="Directory of static pods; the configuration's staticPodPath if empty.")
    v: int = flag(0, help="Log level.")


class ConfigError(Exception):
    """The configuration file can't be used."""


@dataclass(frozen=True, slots=True)
class Config:
    """The keys of KubeletConfiguration that this kubelet knows, with upstream's defaults."""

    address: str = "0.0.0.0"
    port: int = 10250
    readOnlyPort: int = 0  # noqa: N815 -- the file's own key, so are the rest
    healthzPort: int = 10248  # noqa: N815
    healthzBindAddress: str = "127.0.0.1"  # noqa: N815
    clusterDNS: tuple[str, ...] = ()  # noqa: N815
    clusterDomain: str = "cluster.local"  # noqa: N815
    cgroupRoot: str = "/"  # noqa: N815
    cgroupDriver: str = "cgroupfs"  # noqa: N815
    staticPodPath: str = ""  # noqa: N815
    fileCheckFrequency: float = 20.0  # noqa: N815
    podCIDR: str = ""  # noqa: N815
    podLogsDir: str = "/var/log/pods"  # noqa: N815
    resolvConf: str = "/etc/resolv.conf"  # noqa: N815
    maxPods: int = 110  # noqa: N815
    allowedUnsafeSysctls: tuple[str, ...] = ()  # noqa: N815
    serializeImagePulls: bool = False  # noqa: N815
    registerNode: bool = True  # noqa: N815
    registerWithTaints: tuple[Any, ...] = ()  # noqa: N815
    nodeStatusUpdateFrequency: float = 10.0  # noqa: N815
    nodeStatusReportFrequency: float = 300.0  # noqa: N815
    nodeLeaseDurationSeconds: int = 40  # noqa: N815
    imageGCHighThresholdPercent: int = 85  # noqa: N815
    imageGCLowThresholdPercent: int = 80  # noqa: N815
    imageMinimumGCAge: float = 120.0  # noqa: N815
    containerLogMaxSize: str = "10Mi"  # noqa: N815
    containerLogMaxFiles: int = 5  # noqa: N815
    systemReserved: Any = field(default_factory=dict)  # noqa: N815
    kubeReserved: Any = field(default_factory=dict)  # noqa: N815
    evictionHard: Any = field(default_factory=dict)  # noqa: N815
    containerRuntimeEndpoint: str = ""  # noqa: N815
    imageServiceEndpoint: str = ""  # noqa: N815
    authentication: Any = field(default_factory=dict)
    authorization: Any = field(default_factory=dict)
    tlsCertFile: str = ""  # noqa: N815
    tlsPrivateKeyFile: str = ""  # noqa: N815
    enableServer: bool = True  # noqa: N815
    enableDebuggingHandlers: bool = True  # noqa: N815
    streamingConnectionIdleTimeout: float = 4 * 3600.0  # noqa: N815
    providerID: str = ""  # noqa: N815

    def client_ca(self) -> str:
        """CA file of client certificates."""
        return str(((self.authentication or {}).get("x509") or {}).get("clientCAFile") or "")

    def anonymous(self) -> bool:
        """Whether requests without credentials are let in as system:anonymous."""
        return bool(((self.authentication or {}).get("anonymous") or {}).get("enabled", False))

    def webhook_authentication(self) -> bool:
        """Whether bearer tokens are checked by TokenReview."""
        return bool(((self.authentication or {}).get("webhook") or {}).get("enabled", True))

    def always_allow(self) -> bool:
        """Whether authorization is off."""
        return (self.authorization or {}).get("mode") == "AlwaysAllow"

    def document(self) -> Obj:
        """As served by /configz."""
        body: Obj = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "kubeletconfig": {**body, "kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1"}
        }


_DURATIONS = {
    "fileCheckFrequency",
    "nodeStatusUpdateFrequency",
    "nodeStatusReportFrequency",
    "imageMinimumGCAge",
    "streamingConnectionIdleTimeout",
}


def _convert(name: str, default: Any, value: Any) -> Any:
    convert: Callable[[Any], Any] = type(default)
    if name in _DURATIONS:
        return parse_duration(str(value)) if isinstance(value, str) else float(value)
    if isinstance(default, tuple):
        return tuple(value or ())
    if isinstance(default, dict):
        return dict(value or {})
    return value if isinstance(default, bool) else convert(value)


def load_config(path: str) -> Config:
    """Read the file; unknown keys are left alone, as a newer configuration may carry them.

    Raises:
        ConfigError: it is unreadable or of another kind.
    """
    if not path:
        return Config()
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read kubelet configuration {path}: {error}") from error
    if document.get("kind") not in {None, "KubeletConfiguration"}:
        raise ConfigError(f"{path} is a {document.get('kind')}, not a KubeletConfiguration")
    config = Config()
    known = {f.name: getattr(config, f.name) for f in fields(Config)}
    try:
        changes = {
            key: _convert(key, known[key], value)
            for key, value in document.items()
            if key in known and value is not None
        }
    except (TypeError, ValueError) as error:
        raise ConfigError(f"bad value in {path}: {error}") from error
    return replace(config, **changes)
