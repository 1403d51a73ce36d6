import pytest

from kubelet.dns import (
    DNSSettings,
    HostnameError,
    hostname_and_domain,
    hosts_file,
    kernel_hostname,
    parse_resolv_conf,
    pod_dns,
)

HOST = parse_resolv_conf("# c\nnameserver 8.8.8.8\nsearch example.com.\noptions edns0 trust-ad\n")


def pod(**spec):
    return {"metadata": {"name": "p", "namespace": "ns"}, "spec": spec}


def test_resolv_conf_is_read():
    assert DNSSettings(("8.8.8.8",), ("example.com",), ("edns0", "trust-ad")) == HOST


def test_policies():
    cluster = pod_dns(pod(), HOST, ("10.96.0.10",), "cluster.local")
    assert cluster.servers == ("10.96.0.10",)
    assert cluster.searches == ("ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com")
    assert cluster.options == ("ndots:5",)
    assert pod_dns(pod(hostNetwork=True), HOST, ("10.96.0.10",), "cluster.local") == HOST
    assert pod_dns(pod(dnsPolicy="Default"), HOST, ("10.96.0.10",), "cluster.local") == HOST
    both = pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert pod_dns(both, HOST, ("10.96.0.10",), "cluster.local").servers == ("10.96.0.10",)


def test_custom_configuration_is_added_and_overrides_options():
    config = {
        "nameservers": ["1.1.1.1"],
        "searches": ["my.x"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    assert pod_dns(pod(dnsPolicy="None", dnsConfig=config), HOST, (), "c") == DNSSettings(
        ("1.1.1.1",), ("my.x",), ("ndots:2", "edns0")
    )
    merged = pod_dns(pod(dnsConfig=config), HOST, ("10.96.0.10",), "c")
    assert merged.servers == ("10.96.0.10", "1.1.1.1")
    assert merged.options == ("ndots:2", "edns0")


def test_hostname_subdomain_and_fqdn():
    assert hostname_and_domain(pod(), "c.l") == ("p", "")
    assert hostname_and_domain(pod(hostname="h", subdomain="s"), "c.l") == ("h", "s.ns.svc.c.l")
    assert kernel_hostname(pod(hostname="h", subdomain="s", setHostnameAsFQDN=True), "c.l") == "h.s.ns.svc.c.l"
    with pytest.raises(HostnameError, match="too long"):
        kernel_hostname(pod(hostname="h" * 60, subdomain="s", setHostnameAsFQDN=True), "c.l")
    long = pod()
    long["metadata"]["name"] = "a" * 62 + "-" + "b"
    assert hostname_and_domain(long, "c.l")[0] == "a" * 62


def test_hosts_file():
    text = hosts_file(
        pod(hostname="h", subdomain="s", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["x", "y"]}]), ("10.0.0.1",), "c.l"
    )
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.0.0.1\th.s.ns.svc.c.l\th\n" in text
    assert text.endswith("# Entries added by HostAliases.\n1.2.3.4\tx\ty\n")
