"""The certificates and keys of one cluster, laid out as kubeadm and minikube lay them out.

Three authorities: the cluster's (`ca`), etcd's (`etcd-ca`) and the aggregation layer's (`front-proxy-ca`). Leaves are
ECDSA P-256. A leaf is made again when it is missing, about to expire, or names other hosts than it should.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from component.certificates import CertificateAuthority, new_signing_key, write_secret_file
from linux.files import atomic_write
from minikube_py.profiles import Profile

_RENEW_BEFORE = datetime.timedelta(days=30)
_LOCAL_NAMES = ("localhost",)
_LOCAL_IPS = ("127.0.0.1",)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate: file name, authority, subject, and the hosts it answers for."""

    file: str
    authority: str
    common_name: str
    organizations: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    usage: str = "client"


AUTHORITIES = {"ca": "minikubeCA", "etcd-ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"}


def leaves(profile: Profile) -> tuple[Leaf, ...]:
    """The certificates that a cluster needs, client identities as upstream's components use them."""
    network = profile.network
    first_service_ip = network.dns_ip[: network.dns_ip.rindex(".")] + ".1"
    return (
        Leaf(
            "apiserver",
            "ca",
            "kube-apiserver",
            dns=(
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
                "control-plane.minikube.internal",
                profile.name,
                *_LOCAL_NAMES,
                *profile.apiserver_names,
            ),
            ips=(*_LOCAL_IPS, network.node_ip, first_service_ip, *profile.apiserver_ips),
            usage="server",
        ),
        Leaf("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", ("system:masters",)),
        Leaf("admin", "ca", "minikube-user", ("system:masters",)),
        # One identity for all controllers must hold all their roles (upstream: --use-service-account-credentials).
        Leaf("controller-manager", "ca", "system:kube-controller-manager", ("system:masters",)),
        Leaf("scheduler", "ca", "system:kube-scheduler"),
        Leaf("proxy", "ca", "system:kube-proxy"),
        # It also keeps its own Service and EndpointSlice, which upstream's role for DNS does not allow.
        Leaf("dns", "ca", "system:kube-dns", ("system:masters",)),
        Leaf("kubelet-client", "ca", f"system:node:{profile.name}", ("system:nodes",)),
        Leaf(
            "kubelet",
            "ca",
            f"system:node:{profile.name}",
            ("system:nodes",),
            dns=(profile.name, *_LOCAL_NAMES),
            ips=(*_LOCAL_IPS, network.node_ip),
            usage="server",
        ),
        Leaf("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
        Leaf("etcd-server", "etcd-ca", "etcd", dns=_LOCAL_NAMES, ips=_LOCAL_IPS, usage="both"),
        Leaf("etcd-client", "etcd-ca", "kube-apiserver-etcd-client", ("system:masters",)),
    )


def directory(profile: Profile) -> Path:
    """Where the profile's certificates lie."""
    return profile.directory / "certs"


def ensure(profile: Profile) -> None:
    """Make what is missing, expiring or out of date; leave the rest."""
    where = directory(profile)
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    authorities = {name: _authority(where, name, common_name) for name, common_name in AUTHORITIES.items()}
    for leaf in leaves(profile):
        _leaf(where, leaf, authorities[leaf.authority])
    _signing_key(where)


def _authority(where: Path, name: str, common_name: str) -> CertificateAuthority:
    certificate, key = where / f"{name}.crt", where / f"{name}.key"
    if not (certificate.exists() and key.exists()):
        authority = CertificateAuthority.create(common_name)
        write_secret_file(str(key), authority.key_pem)
        atomic_write(certificate, authority.certificate_pem, 0o644)
    return CertificateAuthority.load(str(certificate), str(key))


def _leaf(where: Path, leaf: Leaf, authority: CertificateAuthority) -> None:
    certificate, key = where / f"{leaf.file}.crt", where / f"{leaf.file}.key"
    if certificate.exists() and key.exists() and _is_current(certificate, leaf, authority):
        return
    certificate_pem, key_pem = authority.issue(
        leaf.common_name,
        organizations=leaf.organizations,
        dns=leaf.dns,
        ips=leaf.ips,
        usage=leaf.usage,
        days=3 * 365,
    )
    write_secret_file(str(key), key_pem)
    atomic_write(certificate, certificate_pem, 0o644)


def _is_current(path: Path, leaf: Leaf, authority: CertificateAuthority) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one mends it
        return False
    if certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < _RENEW_BEFORE:
        return False
    wanted = set(leaf.dns) | set(leaf.ips)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return not wanted
    return wanted <= set(_alternative_names(names))


def _alternative_names(names: object) -> Iterable[str]:
    from cryptography import x509

    if isinstance(names, x509.SubjectAlternativeName):
        yield from names.get_values_for_type(x509.DNSName)
        yield from (str(address) for address in names.get_values_for_type(x509.IPAddress))


def _signing_key(where: Path) -> None:
    if (where / "sa.key").exists() and (where / "sa.pub").exists():
        return
    private, public = new_signing_key()
    write_secret_file(str(where / "sa.key"), private)
    atomic_write(where / "sa.pub", public, 0o644)
