import pytest

from addons.dns.records import Zone


class View:
    """A cluster in two dicts."""

    def __init__(self, services, slices):
        self.services, self.all_slices = services, slices

    def service(self, namespace, name):
        return self.services.get((namespace, name))

    def slices(self, namespace, name):
        return self.all_slices.get((namespace, name), [])

    def has_services(self, namespace):
        return any(key[0] == namespace for key in self.services)

    def services_at(self, address):
        return [s for s in self.services.values() if address in s["spec"].get("clusterIPs", ())]

    def slices_at(self, address):
        found = []
        for slices in self.all_slices.values():
            found += [s for s in slices if any(address in e["addresses"] for e in s["endpoints"])]
        return found


def service(name, **spec):
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": {"ports": ports, **spec}}


def slice_of(name, *endpoints):
    return {
        "metadata": {"name": f"{name}-x", "namespace": "ns", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


VIEW = View(
    {
        ("ns", "web"): service("web", clusterIP="10.96.0.5", clusterIPs=["10.96.0.5"]),
        ("ns", "dual"): service("dual", clusterIP="10.96.0.6", clusterIPs=["10.96.0.6", "fd00::6"]),
        ("ns", "db"): service("db", clusterIP="None", clusterIPs=["None"]),
        ("ns", "ext"): service("ext", type="ExternalName", externalName="Example.COM."),
        ("ns", "alias"): service("alias", type="ExternalName", externalName="web.ns.svc.cluster.local"),
        ("ns", "loop"): service("loop", type="ExternalName", externalName="loop.ns.svc.cluster.local"),
    },
    {
        ("ns", "db"): [
            slice_of(
                "db",
                {"addresses": ["10.244.0.7"], "hostname": "db-0", "conditions": {"ready": True}},
                {"addresses": ["10.244.0.8"], "conditions": {}},
                {"addresses": ["10.244.0.9"], "conditions": {"ready": False}},
            )
        ]
    },
)
ZONE = Zone("cluster.local", "10.96.0.10", VIEW)


def ask(name, kind="A"):
    answer = ZONE.answer(name, kind)
    return answer, [(r.kind, r.data) for r in answer.records]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.ns.svc.cluster.local", "A", [("A", "10.96.0.5")]),
        ("web.ns.svc.cluster.local", "AAAA", []),
        ("dual.ns.svc.cluster.local", "AAAA", [("AAAA", "fd00::6")]),
        ("db.ns.svc.cluster.local", "A", [("A", "10.244.0.7"), ("A", "10.244.0.8")]),
        ("db-0.db.ns.svc.cluster.local", "A", [("A", "10.244.0.7")]),
        ("10-244-0-8.db.ns.svc.cluster.local", "A", [("A", "10.244.0.8")]),
        ("_http._tcp.web.ns.svc.cluster.local", "SRV", [("SRV", "0 100 80 web.ns.svc.cluster.local")]),
        ("10-244-0-8.ns.pod.cluster.local", "A", [("A", "10.244.0.8")]),
        ("dns-version.cluster.local", "TXT", [("TXT", "1.1.0")]),
        ("cluster.local", "NS", [("NS", "ns.dns.cluster.local")]),
        ("svc.cluster.local", "A", []),
        ("ns.svc.cluster.local", "A", []),
        ("alias.ns.svc.cluster.local", "A", [("CNAME", "web.ns.svc.cluster.local"), ("A", "10.96.0.5")]),
        ("ext.ns.svc.cluster.local", "CNAME", [("CNAME", "example.com")]),
    ],
)
def test_names_that_exist(name, kind, expected):
    answer, records = ask(name, kind)
    assert answer.exists
    assert records == expected


@pytest.mark.parametrize(
    "name",
    [
        "nope.ns.svc.cluster.local",
        "web.other.svc.cluster.local",
        "x.web.ns.svc.cluster.local",
        "db-1.db.ns.svc.cluster.local",
        "example.com.ns.svc.cluster.local",
        "_https._tcp.web.ns.svc.cluster.local",
        "nope.cluster.local",
        "not-an-address.ns.pod.cluster.local",
    ],
)
def test_names_that_do_not_exist(name):
    answer, records = ask(name, "SRV" if name.startswith("_") else "A")
    assert not answer.exists
    assert records == []


def test_srv_of_a_headless_service_names_its_hosts_and_brings_their_addresses():
    answer, records = ask("_http._tcp.db.ns.svc.cluster.local", "SRV")
    assert records == [
        ("SRV", "0 100 8080 db-0.db.ns.svc.cluster.local"),
        ("SRV", "0 100 8080 10-244-0-8.db.ns.svc.cluster.local"),
    ]
    assert [r.data for r in answer.additional] == ["10.244.0.7", "10.244.0.8"]


def test_an_external_name_leads_outside():
    answer, records = ask("ext.ns.svc.cluster.local")
    assert records == [("CNAME", "example.com")]
    assert answer.forward == "example.com"


def test_aliases_that_run_in_circles_end():
    answer, records = ask("loop.ns.svc.cluster.local")
    assert answer.exists
    assert len(records) < 20


def test_reverse_names():
    assert ZONE.reverse("5.0.96.10.in-addr.arpa").records[0].data == "web.ns.svc.cluster.local"
    assert ZONE.reverse("7.0.244.10.in-addr.arpa").records[0].data == "db-0.db.ns.svc.cluster.local"
    assert ZONE.reverse("1.1.1.1.in-addr.arpa") is None
    nibbles = ".".join(reversed("fd000000000000000000000000000006"))
    assert ZONE.reverse(f"{nibbles}.ip6.arpa").records[0].data == "dual.ns.svc.cluster.local"
    assert ZONE.reverse("nonsense.in-addr.arpa") is None


def test_what_the_zone_covers():
    assert ZONE.covers("a.cluster.local")
    assert not ZONE.covers("notcluster.local")
