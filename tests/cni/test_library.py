import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from cni import documents
from cni.cache import Cache
from cni.config import Call, check_ifname, parse_args
from cni.errors import CNIError
from cni.library import Library, Network
from cni.network import files
from cni.result import convert, parse
from cni.versions import highest
from linux import links, netns
from tests.cni.conftest import REFERENCE, addresses_in, host_local, tables
from tests.cni.test_bridge import outside

# -- pure


def test_files_by_name(tmp_path):
    for name in ("20-b.conflist", "10-a.conf", "15.json", "05.txt", ".hidden.conf"):
        (tmp_path / name).write_text("{}")
    assert [os.path.basename(f) for f in files(str(tmp_path))] == ["10-a.conf", "15.json", "20-b.conflist"]
    assert Network.load(str(tmp_path / "none")) is None


def test_first_good_file_wins_and_a_name_selects(tmp_path):
    (tmp_path / "1.conflist").write_text("{ damaged")
    (tmp_path / "2.conf").write_text('{"cniVersion": "1.0.0", "name": "two", "type": "bridge"}')
    (tmp_path / "3.conflist").write_text('{"cniVersion": "1.0.0", "name": "three", "plugins": [{"type": "ptp"}]}')
    assert Network.load(str(tmp_path)).name == "two"
    assert Network.load(str(tmp_path)).plugins[0]["type"] == "bridge"
    assert Network.load(str(tmp_path), "three").plugins == [{"type": "ptp"}]
    (tmp_path / "2.conf").unlink()
    (tmp_path / "3.conflist").unlink()
    with pytest.raises(CNIError, match=r"1\.conflist"):
        Network.load(str(tmp_path))


def test_plugins_in_a_folder_come_behind_those_of_the_list(tmp_path):
    path, folder = tmp_path / "1.conflist", tmp_path / "mktnet"
    folder.mkdir()
    for name, kind in (("20-b.conf", "tuning"), ("10-a.conf", "portmap"), ("30.conflist", "x"), ("40.json", "x")):
        (folder / name).write_text(json.dumps({"type": kind}))

    def kinds(**keys):
        path.write_text(json.dumps({"cniVersion": "1.1.0", "name": "mktnet", **keys}))
        return [plugin["type"] for plugin in Network.from_file(str(path)).plugins]

    assert kinds(plugins=[{"type": "bridge"}]) == ["bridge", "portmap", "tuning"]
    assert kinds(plugins=[{"type": "bridge"}], loadOnlyInlinedPlugins=True) == ["bridge"]
    assert kinds(plugins=[{"type": "bridge"}], loadOnlyInlinedPlugins="true") == ["bridge"]
    assert kinds() == ["portmap", "tuning"]
    assert kinds(name="other", plugins=[{"type": "bridge"}]) == ["bridge"]
    for name in ("../mktnet", "a/b", ""):
        with pytest.raises(CNIError, match=r"1\.conflist"):
            kinds(name=name, plugins=[{"type": "bridge"}])
    (folder / "10-a.conf").write_text("{")
    with pytest.raises(CNIError, match=r"10-a\.conf"):
        kinds(plugins=[{"type": "bridge"}])
    (folder / "10-a.conf").write_text("{}")
    with pytest.raises(CNIError, match="missing 'type'"):
        kinds(plugins=[{"type": "bridge"}])


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"name": "n"},
        {"name": "n", "plugins": []},
        {"name": "n", "plugins": [{}]},
        {"name": "n", "plugins": [{"type": 5}]},
        {"name": "", "plugins": [{"type": "x"}]},
        {"name": "a b", "plugins": [{"type": "x"}]},
        {"name": "n", "cniVersion": "9.0.0", "plugins": [{"type": "x"}]},
        {"name": "n", "cniVersion": 1, "plugins": [{"type": "x"}]},
    ],
)
def test_bad_networks(document):
    with pytest.raises(CNIError):
        Network(document)


def test_highest_version_of_several():
    assert (
        Network({"name": "n", "cniVersions": ["0.4.0", "1.0.0", "9.0.0"], "plugins": [{"type": "x"}]}).version
        == "1.0.0"
    )
    assert highest([]) == "0.1.0"
    with pytest.raises(CNIError, match="incompatible"):
        highest(["7.0.0"])


def test_capabilities_reach_those_who_declare_them():
    network = Network(
        {"name": "n", "cniVersion": "1.0.0", "plugins": [{"type": "x", "capabilities": {"mac": True, "ips": False}}]}
    )
    config = network.plugin_config(network.plugins[0], {"mac": "02::", "ips": ["1"]}, None)
    assert config["runtimeConfig"] == {"mac": "02::"}


FULL = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1400, "sandbox": "/n"}],
    "ips": [
        {"interface": 0, "address": "10.0.0.2/24", "gateway": "10.0.0.1"},
        {"interface": 0, "address": "fd00::2/64"},
    ],
    "routes": [{"dst": "0.0.0.0/0", "mtu": 1300}, {"dst": "::/0", "gw": "fd00::1"}],
    "dns": {"nameservers": ["10.0.0.1"]},
}


def test_results_in_all_versions():
    one = convert(FULL, "1.0.0")
    assert "mtu" not in one["interfaces"][0]
    assert one["routes"][0] == {"dst": "0.0.0.0/0"}
    old = convert(FULL, "0.3.1")
    assert [ip["version"] for ip in old["ips"]] == ["4", "6"]
    oldest = convert(FULL, "0.2.0")
    assert oldest["ip4"] == {"ip": "10.0.0.2/24", "gateway": "10.0.0.1", "routes": [{"dst": "0.0.0.0/0"}]}
    assert oldest["ip6"]["routes"] == [{"dst": "::/0", "gw": "fd00::1"}]
    for version in ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"):
        shown = convert(FULL, version)
        assert shown["cniVersion"] == version
        assert [ip["address"] for ip in parse(shown)["ips"]] == ["10.0.0.2/24", "fd00::2/64"]
    with pytest.raises(CNIError):
        convert({"interfaces": [], "dns": {}}, "0.2.0")


@pytest.mark.parametrize("text", ["", "{", '{"a": 1} x', "[1,]", "nul", '{"a": NaN}', '"\x01"'])
def test_json_that_is_none(text):
    with pytest.raises(ValueError, match=r"\S"):
        documents.loads(text)


def test_json_there_and_back():
    value = {"a": [1, 2.5, None, True, 'ü\n"', {}], "b": {"c": []}}
    assert documents.loads(documents.dumps(value)) == value
    assert json.loads(documents.dumps(value)) == value
    assert documents.loads(b" \n{ } \n") == {}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b", "a b", "x" * 16])
def test_bad_interface_names(name):
    with pytest.raises(CNIError) as failure:
        check_ifname(name)
    assert failure.value.code == 4


def test_arguments():
    assert parse_args("A=1;B=x=y") == {"A": "1", "B": "x=y"}
    with pytest.raises(CNIError):
        parse_args("A")


def test_damaged_cache_is_none(tmp_path):
    cache = Cache(str(tmp_path))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "n-c-eth0").write_text("{")
    assert cache.load("n", "c", "eth0") is None
    assert cache.all() == []


def test_what_a_killed_call_left_is_swept_when_it_is_old(tmp_path):
    cache = Cache(str(tmp_path))
    cache.save({"networkName": "n", "containerId": "c", "ifName": "eth0"})
    old, young = tmp_path / "results" / "n-d-eth0.new", tmp_path / "results" / "n-e-eth0.new"
    old.write_text("{")
    young.write_text("{")
    os.utime(old, (1, 1))
    cache.sweep()
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["n-c-eth0", "n-e-eth0.new"]
    assert [entry["containerId"] for entry in cache.all()] == ["c"]
    cache.remove("n", "e", "eth0")
    assert not young.exists()


def test_wrong_types_in_a_configuration():
    with pytest.raises(CNIError, match="bridge is not a string"):
        Call("ADD", {"bridge": 1}).text("bridge")
    with pytest.raises(CNIError, match="mtu is not an integer"):
        Call("ADD", {"mtu": True}).number("mtu")
    with pytest.raises(CNIError, match="ipMasq is not a boolean"):
        Call("ADD", {"ipMasq": "yes"}).flag("ipMasq")


# -- live


def conflist(directory, version="1.0.0", name="mktlist", **bridge):
    return Network(
        {
            "cniVersion": version,
            "name": name,
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "mktbr0",
                    "isGateway": True,
                    "ipMasq": True,
                    "ipam": host_local(directory, routes=[{"dst": "0.0.0.0/0"}]),
                    **bridge,
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
                {"type": "tuning", "mtu": 1400, "dataDir": str(directory / "tuning")},
            ],
        }
    )


PORTS = [{"hostPort": 18080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]


@pytest.fixture(params=["in process", "executables", "mixed", "reference"])
def library(request, tmp_path, plugin_directory):
    if request.param == "reference":
        if not os.path.exists(f"{REFERENCE}/portmap"):
            pytest.skip("no reference binaries")
        return Library([REFERENCE], str(tmp_path / "cache"), in_process=False)
    if request.param == "mixed":
        # Foreign binaries between ours: a bridge of somebody else's.
        mixed = tmp_path / "mixed"
        mixed.mkdir()
        os.symlink(f"{plugin_directory}/bridge", mixed / "bridge")
        for kind in ("portmap", "tuning"):
            source = f"{REFERENCE}/{kind}"
            os.symlink(source if os.path.exists(source) else f"{plugin_directory}/{kind}", mixed / kind)
        return Library([str(mixed)], str(tmp_path / "cache"), in_process=False)
    return Library([plugin_directory], str(tmp_path / "cache"), in_process=request.param == "in process")


@pytest.mark.live
@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_a_whole_list(library, host, version):
    network = conflist(host.directory, version)
    one = host.container()
    answer = host.inside(lambda: library.add(network, "one", one, port_mappings=PORTS, args={"IgnoreUnknown": "1"}))
    assert answer["ips"][0]["address"] == "10.88.0.2/24"
    assert netns.run_in(one, lambda: links.get("eth0")).mtu == 1400
    server = host.serve(one, 80, "one")
    assert host.ask("10.88.0.1", 18080).startswith("one")
    server.close()
    assert library.attachments() == [("mktlist", "one", "eth0")]
    if version != "0.3.1" and library._path != [REFERENCE] and not library._path[0].endswith("mixed"):
        host.inside(lambda: library.check(network, "one", one))
    host.inside(lambda: library.delete(network, "one", one))
    host.inside(lambda: library.delete(network, "one", ""))
    assert addresses_in(one) == []
    assert library.attachments() == []
    assert tables(host) == []


FAMILIES = {
    "IPv4": (["10.88.0.0/24"], ["0.0.0.0/0"]),
    "IPv6": (["fd88::/64"], ["::/0"]),
    "both": (["10.88.0.0/24", "fd88::/64"], ["0.0.0.0/0", "::/0"]),
}


@pytest.mark.live
@pytest.mark.parametrize("families", FAMILIES)
def test_every_family_reaches_out_and_is_reached(library, host, families):
    subnets, routes = FAMILIES[families]
    ipam = host_local(host.directory, *subnets, routes=[{"dst": one} for one in routes])
    network, one, far = conflist(host.directory, ipam=ipam), host.container(), host.container()
    outside(host, far)
    host.inside(links.add_address, "mktup", "fd22::1/64")
    netns.run_in(far, lambda: links.add_address("eth0", "fd22::9/64"))
    answer = host.inside(lambda: library.add(network, "one", one, port_mappings=PORTS))
    assert [ip["address"] for ip in answer["ips"]] == [
        one.replace("0/24", "2/24").replace("::", "::2") for one in subnets
    ]
    dual = "::/0" in routes
    there, here = host.serve(far, 8080, "far", ipv6=dual), host.serve(one, 80, "here", ipv6=dual)
    for ip in answer["ips"]:
        mine, theirs = ("fd22::1", "fd22::9") if ":" in ip["address"] else ("192.0.2.1", "192.0.2.9")
        assert ask_soon(host, theirs, 8080, one) == f"far {mine}"  # masqueraded
        assert ask_soon(host, mine, 18080, far) == f"here {theirs}"  # forwarded, the source kept
    there.close()
    here.close()
    host.inside(lambda: library.delete(network, "one", one))
    assert addresses_in(one) == []
    assert tables(host) == []


def ask_soon(host, address, port, path):
    """What a server answers, once duplicate detection (which the reference's addresses go through) is over."""
    for _ in range(60):
        try:
            return host.ask(address, port, path=path, timeout=1).replace("::ffff:", "")
        except OSError:
            time.sleep(0.05)
    return ""


@pytest.mark.live
def test_what_is_cached_is_what_the_reference_library_reads(host, tmp_path):
    """Its keys and its forms: checked by hand with libcni of Debian, which removed what we had added and we what it had."""
    library, network, one = Library([], str(tmp_path / "cache")), conflist(host.directory), host.container()
    host.inside(lambda: library.add(network, "one", one, port_mappings=PORTS, args={"IgnoreUnknown": "1"}))
    kept = json.loads((tmp_path / "cache" / "results" / "mktlist-one-eth0").read_text())
    assert json.loads(base64.b64decode(kept.pop("config"))) == network.raw
    result = kept.pop("result")
    assert (result["cniVersion"], result["ips"][0]["interface"]) == ("1.0.0", 2)
    assert kept == {
        "kind": "cniCacheV1",
        "containerId": "one",
        "networkName": "mktlist",
        "ifName": "eth0",
        "netns": one,
        "cniArgs": [["IgnoreUnknown", "1"]],
        "capabilityArgs": {"portMappings": PORTS},
    }
    host.inside(lambda: library.delete(network, "one", one))


@pytest.mark.live
def test_delete_uses_the_configuration_it_was_attached_with(host, tmp_path):
    library = Library([], str(tmp_path / "cache"))
    network = conflist(host.directory)
    one = host.container()
    host.inside(lambda: library.add(network, "one", one, port_mappings=PORTS))
    changed = Network({"cniVersion": "1.0.0", "name": "mktlist", "plugins": [{"type": "loopback"}]})
    host.inside(lambda: library.delete(changed, "one", one))
    assert tables(host) == []
    assert not list((host.directory / "networks" / "mktlist").glob("10.*"))


@pytest.mark.live
def test_gc_after_a_crash(library, host):
    network = conflist(host.directory, "1.0.0")
    one, two = host.container(), host.container()
    for cid, path in (("kept", one), ("lost", two)):
        port = [{**PORTS[0], "hostPort": 18080 + len(cid) + ord(cid[0])}]
        host.inside(lambda cid=cid, path=path, port=port: library.add(network, cid, path, port_mappings=port))
    host.inside(lambda: library.gc(network, [("kept", "eth0")]))
    assert library.attachments() == [("mktlist", "kept", "eth0")]
    assert addresses_in(two) == []
    assert [p.name for p in (host.directory / "networks" / "mktlist").glob("10.*")] == ["10.88.0.2"]
    host.inside(lambda: library.status(network))


@pytest.mark.live
@pytest.mark.parametrize(("count", "in_process"), [(200, True), (40, False)])
def test_many_at_once(host, tmp_path, plugin_directory, count, in_process):
    library = Library([plugin_directory], str(tmp_path / "cache"), in_process=in_process)
    network = conflist(host.directory)
    paths = [host.container() for _ in range(count)]
    given, failures = [], []

    def attach(number):
        def work():
            port = [{**PORTS[0], "hostPort": 20000 + number}]
            given.append(library.add(network, f"c{number}", paths[number], port_mappings=port)["ips"][0]["address"])

        try:
            host.inside(work)
        except (CNIError, OSError) as error:
            failures.append(error)

    def detach(number):
        try:
            host.inside(lambda: library.delete(network, f"c{number}", paths[number]))
        except (CNIError, OSError) as error:
            failures.append(error)

    for work in (attach, detach):
        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(paths))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
    assert len(set(given)) == len(paths)
    assert tables(host) == []
    assert not [x for x in host.inside(links.list_links) if x.kind == "veth"]
    assert not list((host.directory / "networks" / "mktlist").glob("10.*"))


@pytest.mark.live
@pytest.mark.parametrize("delay", [0.002, 0.005, 0.008, 0.012, 0.016, 0.02, 0.03])
def test_killed_during_add_leaves_nothing_that_delete_does_not_remove(host, tmp_path, delay):
    program = f"""
import sys, time
sys.path.insert(0, {os.getcwd()!r})
from cni.library import Library, Network
from linux import netns
network = Network({conflist(host.directory).raw!r})
print("ready", flush=True)
sys.stdin.readline()
Library([], {str(tmp_path / "cache")!r}).add(network, "one", sys.argv[1], port_mappings={PORTS!r})
"""
    one = host.container()
    words = ["nsenter", f"--net={host.path}", sys.executable, "-c", program, one]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdin.write("\n")
    process.stdin.flush()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    library = Library([], str(tmp_path / "cache"))
    network = conflist(host.directory)
    if int(delay * 1000) % 2:
        host.inside(lambda: library.gc(network, []))
    else:
        host.inside(lambda: library.delete(network, "one", one, port_mappings=PORTS))
    assert addresses_in(one) == []
    assert not [x for x in host.inside(links.list_links) if x.kind == "veth"]
    assert tables(host) == []
    left = host.directory / "networks" / "mktlist"
    assert not left.exists() or not [p for p in left.iterdir() if p.name[0] in "1."]
    assert library.attachments() == []


@pytest.mark.live
@pytest.mark.slow
def test_killed_at_every_system_call_that_changes_something(host, tmp_path):
    """As strace can do it: SIGKILL at the first, second, third … of these calls, until ADD gets through."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    (tmp_path / "net.d").mkdir()
    network = conflist(host.directory)
    (tmp_path / "net.d" / "1.conflist").write_text(json.dumps(network.raw))
    environment = {
        **os.environ,
        "NETCONFPATH": str(tmp_path / "net.d"),
        "CNI_CACHE_DIR": str(tmp_path / "cache"),
        "CNI_CONTAINERID": "one",
        "CAP_ARGS": json.dumps({"portMappings": PORTS}),
    }
    library = Library([], str(tmp_path / "cache"))
    calls = "sendto,sendmsg,link,linkat,unlink,setns,mkdir,rename,write,flock"
    killed = 0
    for number in range(1, 400):
        one = host.container()
        words = ["nsenter", f"--net={host.path}", "strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}"]
        words += ["-e", f"inject={calls}:signal=KILL:when={number}"]
        words += [sys.executable, "-m", "cni.library", "add", "mktlist", one]
        done = subprocess.run(words, env=environment, capture_output=True, timeout=20)
        if number % 2:
            host.inside(lambda: library.gc(network, []))
        else:
            host.inside(lambda path=one: library.delete(network, "one", path))
        assert addresses_in(one) == [], number
        assert tables(host) == [], number
        assert not [x for x in host.inside(links.list_links) if x.kind == "veth"], number
        left = host.directory / "networks" / "mktlist"
        assert not left.exists() or not [p for p in left.iterdir() if p.name[0] in "1."], number
        assert not [p for p in (tmp_path / "cache").glob("results/*") if p.suffix != ".new"], number
        tuned = host.directory / "tuning"
        assert not tuned.exists() or not list(tuned.iterdir()), number
        netns.unpin(one)
        if done.returncode == 0:
            break
        killed += 1
    assert 20 < killed < 399
