"""Pure: a pod's resolver configuration, hostname and /etc/hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]

MAX_SERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048
HOSTNAME_LIMIT = 63
DEFAULT_OPTIONS = ("ndots:5",)


@dataclass(frozen=True, slots=True)
class DNSSettings:
    """The three lists of a resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class HostnameError(Exception):
    """The pod's FQDN does not fit."""


def parse_resolv_conf(text: str) -> DNSSettings:
    """Read a resolv.conf."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] == "search":
            searches = tuple(w if w == "." else w.removesuffix(".") for w in words[1:])
        elif words[0] == "options":
            options = tuple(words[1:])
    return DNSSettings(tuple(servers), searches, options)


def pod_dns(pod: Obj, host: DNSSettings, cluster_dns: tuple[str, ...], domain: str) -> DNSSettings:
    """Resolver settings by dnsPolicy and dnsConfig."""
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and pod["spec"].get("hostNetwork"):
        policy = "Default"
    if policy == "None":
        base = DNSSettings()
    elif policy in {"ClusterFirst", "ClusterFirstWithHostNet"} and cluster_dns:
        searches: tuple[str, ...] = ()
        if domain:
            searches = (f"{pod['metadata']['namespace']}.svc.{domain}", f"svc.{domain}", domain)
        base = DNSSettings(cluster_dns, _unique((*searches, *host.searches)), DEFAULT_OPTIONS)
    else:
        base = host
    return _limit(_with_custom(base, pod["spec"].get("dnsConfig") or {}))


def _with_custom(base: DNSSettings, custom: Obj) -> DNSSettings:
    options = {o.split(":", 1)[0]: o for o in base.options}
    for option in custom.get("options") or ():
        value = option.get("value")
        options[option["name"]] = option["name"] if value in {None, ""} else f"{option['name']}:{value}"
    return DNSSettings(
        _unique((*base.servers, *(custom.get("nameservers") or ()))),
        _unique((*base.searches, *(custom.get("searches") or ()))),
        tuple(options.values()),
    )


def _limit(settings: DNSSettings) -> DNSSettings:
    searches: list[str] = []
    length = 0
    for search in settings.searches[:MAX_SEARCHES]:
        length += len(search) + 1
        if length > MAX_SEARCH_CHARACTERS:
            break
        searches.append(search)
    return DNSSettings(settings.servers[:MAX_SERVERS], tuple(searches), settings.options)


def _unique(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def hostname_and_domain(pod: Obj, cluster_domain: str) -> tuple[str, str]:
    """The pod's hostname, and the domain under its subdomain ("" if none)."""
    spec, meta = pod["spec"], pod["metadata"]
    override = spec.get("hostnameOverride")
    if override:
        return str(override), ""
    hostname = str(spec.get("hostname") or meta["name"])
    if len(hostname) > HOSTNAME_LIMIT:
        hostname = hostname[:HOSTNAME_LIMIT].rstrip("-.")
    subdomain = spec.get("subdomain")
    if not subdomain:
        return hostname, ""
    return hostname, f"{subdomain}.{meta['namespace']}.svc.{cluster_domain}"


def kernel_hostname(pod: Obj, cluster_domain: str) -> str:
    """What `hostname` shows inside: the FQDN if setHostnameAsFQDN.

    Raises:
        HostnameError: the FQDN is longer than the kernel allows.
    """
    hostname, domain = hostname_and_domain(pod, cluster_domain)
    if not (pod["spec"].get("setHostnameAsFQDN") and domain):
        return hostname
    full = f"{hostname}.{domain}"
    limit = 64
    if len(full) > limit:
        raise HostnameError(
            f"Failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({limit} characters is the max, {len(full)} characters requested)"
        )
    return full


def hosts_file(pod: Obj, ips: tuple[str, ...], cluster_domain: str, node_hosts: str = "") -> str:
    """The managed /etc/hosts."""
    aliases = "".join(
        f"{a['ip']}\t" + "\t".join(a.get("hostnames") or ()) + "\n" for a in pod["spec"].get("hostAliases") or ()
    )
    tail = f"\n# Entries added by HostAliases.\n{aliases}" if aliases else ""
    if pod["spec"].get("hostNetwork"):
        return f"# Kubernetes-managed hosts file (host network).\n{node_hosts}{tail}"
    hostname, domain = hostname_and_domain(pod, cluster_domain)
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    return (
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n" + "".join(f"{ip}\t{names}\n" for ip in ips) + tail
    )
