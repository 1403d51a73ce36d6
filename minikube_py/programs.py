"""The programs of a cluster: one row each, with the command line that starts it.

All start at once; each waits for its peers by itself. Rows are data: the supervisor turns them into its own
configuration, `stop` walks them backwards, `logs` and `status` name them.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from minikube_py import extra_config
from minikube_py.profiles import Profile

CNI_PLUGIN_DIRECTORIES = "/opt/cni/bin,/usr/lib/cni"


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process.

    Attributes:
        name: As shown by `status` and in the log's file name.
        argv: The command line for a profile, as the launcher would have it.
        stop_seconds: How long it may take to end by itself.
    """

    name: str
    argv: Callable[[Profile], list[str]]
    stop_seconds: int = 5
    environment: Mapping[str, str] = field(default_factory=dict)


def command_line(program: Program, profile: Profile) -> list[str]:
    """A program's command line, with the flags that a person has added or changed."""
    return extra_config.merged(program.argv(profile), extra_config.flags(profile.extra_config, program.name))


def _python(package: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", package, *flags]


def _certs(profile: Profile) -> Path:
    return profile.directory / "certs"


def _kubeconfig(profile: Profile, component: str) -> str:
    return f"--kubeconfig={profile.directory}/kubeconfigs/{component}.conf"


def _etcd(profile: Profile) -> list[str]:
    certs, ports = _certs(profile), profile.ports
    client, peer = f"https://127.0.0.1:{ports.etcd}", f"https://127.0.0.1:{ports.etcd_peer}"
    return [
        "etcd",
        f"--name={profile.name}",
        f"--data-dir={profile.directory}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={profile.name}={peer}",
        f"--cert-file={certs}/etcd-server.crt",
        f"--key-file={certs}/etcd-server.key",
        f"--trusted-ca-file={certs}/etcd-ca.crt",
        "--client-cert-auth=true",
        f"--peer-cert-file={certs}/etcd-server.crt",
        f"--peer-key-file={certs}/etcd-server.key",
        f"--peer-trusted-ca-file={certs}/etcd-ca.crt",
        "--peer-client-cert-auth=true",
        "--snapshot-count=10000",
        "--logger=zap",
        "--log-level=warn",
    ]


def _apiserver(profile: Profile) -> list[str]:
    certs, network = _certs(profile), profile.network
    return _python(
        "apiserver",
        f"--etcd-servers=https://127.0.0.1:{profile.ports.etcd}",
        f"--etcd-cafile={certs}/etcd-ca.crt",
        f"--etcd-certfile={certs}/etcd-client.crt",
        f"--etcd-keyfile={certs}/etcd-client.key",
        f"--bind-address=127.0.0.1,{network.node_ip}",
        f"--secure-port={profile.ports.apiserver}",
        f"--advertise-address={network.node_ip}",
        f"--tls-cert-file={certs}/apiserver.crt",
        f"--tls-private-key-file={certs}/apiserver.key",
        f"--client-ca-file={certs}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={certs}/sa.pub",
        f"--service-account-signing-key-file={certs}/sa.key",
        f"--service-cluster-ip-range={network.service_cidr}",
        f"--kubelet-client-certificate={certs}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={certs}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={certs}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        f"--requestheader-client-ca-file={certs}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={certs}/front-proxy-client.crt",
        f"--proxy-client-key-file={certs}/front-proxy-client.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
    )


def _controllers(profile: Profile) -> list[str]:
    certs, network = _certs(profile), profile.network
    return _python(
        "controllers",
        _kubeconfig(profile, "controller-manager"),
        f"--service-account-private-key-file={certs}/sa.key",
        f"--root-ca-file={certs}/ca.crt",
        f"--cluster-signing-cert-file={certs}/ca.crt",
        f"--cluster-signing-key-file={certs}/ca.key",
        f"--cluster-cidr={network.cluster_cidr}",
        f"--service-cluster-ip-range={network.service_cidr}",
        "--allocate-node-cidrs=true",
        "--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
        "--bind-address=127.0.0.1",
        f"--secure-port={profile.ports.controllers}",
        "--leader-elect=false",
    )


def _scheduler(profile: Profile) -> list[str]:
    return _python(
        "scheduler",
        _kubeconfig(profile, "scheduler"),
        "--bind-address=127.0.0.1",
        f"--secure-port={profile.ports.scheduler}",
        "--leader-elect=false",
    )


def _kubelet(profile: Profile) -> list[str]:
    certs = _certs(profile)
    return _python(
        "kubelet",
        _kubeconfig(profile, "kubelet"),
        f"--config={profile.directory}/kubelet-config.yaml",
        f"--container-runtime-endpoint=unix://{profile.cri_socket}",
        f"--hostname-override={profile.name}",
        f"--node-ip={profile.network.node_ip}",
        f"--root-dir={profile.directory}/kubelet",
        f"--tls-cert-file={certs}/kubelet.crt",
        f"--tls-private-key-file={certs}/kubelet.key",
    )


def _proxy(profile: Profile) -> list[str]:
    network, ports = profile.network, profile.ports
    return _python(
        "proxy",
        _kubeconfig(profile, "proxy"),
        f"--cluster-cidr={network.cluster_cidr}",
        f"--hostname-override={profile.name}",
        f"--nodeport-addresses={network.node_ip}/32",
        f"--healthz-bind-address=127.0.0.1:{ports.proxy_health}",
        f"--metrics-bind-address=127.0.0.1:{ports.proxy_metrics}",
        f"--table={profile.proxy_table}",
    )


def cri_flags(profile: Profile) -> list[str]:
    """The runtime's flags, for serving and for `wipe`."""
    return [
        f"--config={profile.directory}/cri/crio.conf",
        f"--listen={profile.cri_socket}",
        f"--root={profile.storage_root}",
        f"--runroot={profile.storage_runroot}",
        f"--cni-config-dir={profile.directory}/cni/net.d",
        f"--cni-plugin-dir={CNI_PLUGIN_DIRECTORIES}",
        f"--cni-cache-dir={profile.directory}/cni/cache",
        f"--state-dir={profile.run_directory}/cri",
        f"--log-dir={profile.directory}/pod-logs",
        "--stream-address=127.0.0.1",
        "--stream-port=0",
    ]


def _cri(profile: Profile) -> list[str]:
    return _python("cri", *cri_flags(profile))


def _addons(profile: Profile) -> list[str]:
    return _python(
        "addons",
        _kubeconfig(profile, "dns"),
        "--cluster-domain=cluster.local",
        f"--listen-address={profile.network.dns_ip}",
        "--port=53",
        "--resolv-conf=/etc/resolv.conf",
        f"--hostpath-root={profile.directory}/hostpath-provisioner",
    )


PROGRAMS: tuple[Program, ...] = (
    Program("etcd", _etcd),
    Program("apiserver", _apiserver),
    Program("cri", _cri),
    Program("kubelet", _kubelet),
    Program("controllers", _controllers),
    Program("scheduler", _scheduler),
    Program("proxy", _proxy),
    Program("addons", _addons),
)
