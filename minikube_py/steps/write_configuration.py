"""Writes what the programs read at start: certificates, kubeconfigs, kubelet, runtime and network configuration."""

import json
from pathlib import Path

from linux.files import atomic_write
from minikube_py import certificates, kubeconfig_file
from minikube_py.profiles import Profile
from minikube_py.steps.interface import StartContext

CNI_VERSION = "1.0.0"
_RESOLVED_STUB = "127.0.0.53"


def write_configuration(context: StartContext) -> None:
    """Write every file a program reads; what is there and right stays."""
    profile = context.profile
    certificates.ensure(profile)
    kubeconfig_file.write_component_files(profile)
    for name in ("etcd", "kubelet", "manifests", "cri", "cni/net.d", "cni/cache", "logs", "pod-logs"):
        # etcd refuses a data directory that others may read.
        (profile.directory / name).mkdir(parents=True, exist_ok=True, mode=0o700 if name == "etcd" else 0o755)
    atomic_write(profile.directory / "kubelet-config.yaml", _pretty(kubelet_configuration(profile)), 0o644)
    atomic_write(profile.directory / "cni/net.d/1-minikube.conflist", _pretty(network_list(profile)), 0o644)
    atomic_write(profile.directory / "cri/crio.conf", runtime_configuration(profile).encode(), 0o644)


def _pretty(document: dict[str, object]) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"


def kubelet_configuration(profile: Profile) -> dict[str, object]:
    """KubeletConfiguration (kubelet.config.k8s.io/v1beta1) of the node."""
    certs = certificates.directory(profile)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": profile.network.node_ip,
        "port": profile.ports.kubelet,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": profile.ports.kubelet_health,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certs / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": _cgroup_driver(profile),
        "cgroupRoot": profile.cgroup,
        "clusterDNS": [profile.network.dns_ip],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{profile.cri_socket}",
        "failSwapOn": False,
        "podCIDR": profile.network.pod_cidr,
        "podLogsDir": str(profile.directory / "pod-logs"),
        "resolvConf": str(resolv_conf(Path("/"))),
        "staticPodPath": str(profile.directory / "manifests"),
    }


def resolv_conf(root: Path) -> Path:
    """The host's resolvers as a pod can use them.

    Where systemd-resolved runs, /etc/resolv.conf names only its stub on the host's loopback, which is another one in a
    pod; the servers behind it stand in a file of its own.
    """
    usual, behind = root / "etc/resolv.conf", root / "run/systemd/resolve/resolv.conf"
    try:
        servers = [words[1] for line in usual.read_text().splitlines() if (words := line.split())[:1] == ["nameserver"]]
    except (OSError, IndexError):
        return usual
    return behind if servers == [_RESOLVED_STUB] and behind.exists() else usual


def _cgroup_driver(profile: Profile) -> str:
    return "systemd" if profile.force_systemd else "cgroupfs"


def network_list(profile: Profile) -> dict[str, object]:
    """The CNI configuration list of the pod network: a bridge with masquerade, and host ports."""
    return {
        "cniVersion": CNI_VERSION,
        "name": profile.name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": profile.network.bridge,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(profile.run_directory / "networks"),
                    "ranges": [[{"subnet": profile.network.pod_cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def runtime_configuration(profile: Profile) -> str:
    """crio.conf: what differs from the runtime's own defaults."""
    lines = [
        "# Written by minikube-py start. Put your own settings into a file in crio.conf.d beside this one.",
        "[crio.runtime]",
        f'cgroup_manager = "{_cgroup_driver(profile)}"',
    ]
    if profile.oci_runtime:
        lines.append(f'default_runtime = "{profile.oci_runtime}"')
    # A registry on this host's loopback is a developer's own, as Docker sees it, too.
    insecure = ", ".join(f'"{registry}"' for registry in ("127.0.0.1", "localhost", *profile.insecure_registries))
    lines += ["[crio.image]", f"insecure_registries = [{insecure}]"]
    return "\n".join(lines) + "\n"
