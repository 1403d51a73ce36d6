"""Every plugin, every verb, every way to call it: see the table in tests/cni/cases.py."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cni import result
from cni.plugins import registry
from linux import netns
from tests.cni.cases import CASES, attached, detach_all, reserved, same
from tests.cni.conftest import REFERENCE, Way, with_result

pytestmark = pytest.mark.live
ELSEWHERE = {"ipvlan", "dhcp"}


def execute(host, directory, kind, command, conf, container="", ifname="eth0", cid="cid1"):
    """What a plugin's executable prints, and its exit status."""
    environment = {
        "PATH": os.environ["PATH"],
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": cid,
        "CNI_NETNS": container,
        "CNI_IFNAME": ifname,
        "CNI_PATH": directory,
    }
    words = [shutil.which("nsenter"), f"--net={host.path}", f"{directory}/{kind}"]
    done = subprocess.run(
        words, input=json.dumps(conf), env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, json.loads(done.stdout or "{}")


def all_ways(kind, host, directory):
    """The three ways, where the reference has the plugin."""
    found = [Way("in process", host, directory), Way("executable", host, directory)]
    return [*found, Way("reference", host, REFERENCE)] if Path(REFERENCE, kind).exists() else found


def test_the_table_names_every_plugin():
    assert set(CASES) | ELSEWHERE == set(registry.PLUGINS)


@pytest.mark.parametrize("kind", CASES)
def test_add_check_and_del(kind, host, plugin_directory):
    case, answers = CASES[kind], []
    for number, way in enumerate(all_ways(kind, host, plugin_directory)):
        cid = f"c{number}"
        container, conf, before = attached(host, case, way, cid)
        if before is not None:
            conf = with_result(conf, before)
        answer = way.add(conf, container, ifname=case.ifname, cid=cid)
        answers.append(same(result.convert(answer, "1.0.0"), container))
        if (way.name, kind) != ("reference", "portmap"):  # which does not find its own IPv6 rules
            way.check(conf, container, answer, ifname=case.ifname, cid=cid)
        way.delete(with_result(conf, answer), container, ifname=case.ifname, cid=cid)
        assert case.left(host) == []
        # Twice, without a namespace and with one that has gone; not all of that passes with the reference.
        for path in (container, "", "/run/netns/mktgone")[0 if way.ours else 1 : 3 if way.ours else 2]:
            way.delete(with_result(conf, answer), path, ifname=case.ifname, cid=cid)
        if case.chained:
            detach_all(host, container)
    assert all(one == answers[0] for one in answers)


COMPARED = [(kind, "0.4.0") for kind in CASES if kind != "loopback"]  # the reference's prints its result unconverted
COMPARED += [(kind, version) for kind in ("bridge", "host-local", "bandwidth") for version in ("0.2.0", "0.3.1")]


@pytest.mark.parametrize(("kind", "version"), [one for one in COMPARED if Path(REFERENCE, one[0]).exists()])
def test_results_of_all_versions_are_the_references(kind, version, host, plugin_directory):
    case, printed = CASES[kind], []
    for number, way in enumerate([Way("executable", host, plugin_directory), Way("reference", host, REFERENCE)]):
        cid = f"c{number}"
        container, conf, before = attached(host, case, way, cid)
        conf["cniVersion"] = version
        if before is not None:
            conf = with_result(conf, before)
        status, answer = execute(host, way.directory, kind, "ADD", conf, container, case.ifname, cid)
        printed.append((status, same(answer, container) if status == 0 else answer["code"]))
        status, answer = execute(host, way.directory, kind, "DEL", conf, container, case.ifname, cid)
        printed[-1] += (status, answer.get("code"))
        if case.chained:
            detach_all(host, container)
    assert printed[0] == printed[1]
    assert printed[0][2] == 0 or (kind, version) == ("bandwidth", "0.2.0")


@pytest.mark.parametrize("kind", CASES)
def test_gc_removes_what_is_not_named(kind, our_way, host):
    case = CASES[kind]
    attachments = []
    for cid in ("kept", "lost"):
        container, conf, before = attached(host, case, our_way, cid)
        if attachments:
            conf = {**conf, "name": attachments[0]["name"]}  # two attachments of one network
            if kind == "portmap":
                conf["runtimeConfig"] = {"portMappings": [{"hostPort": 19000, "containerPort": 1, "protocol": "tcp"}]}
        conf = {**conf, "cniVersion": "1.1.0"}
        if before is not None:
            conf = with_result(conf, before)
        our_way.add(conf, container, ifname=case.ifname, cid=cid)
        attachments.append(conf)
    both = len(case.left(host))
    keep = [{"containerID": "kept", "ifname": case.ifname}]
    our_way.call("GC", {**attachments[0], "cni.dev/valid-attachments": keep})
    some = len(case.left(host))
    our_way.call("GC", {**attachments[0], "cni.dev/valid-attachments": []})
    assert case.left(host) == []
    assert (both > some > 0) or both == 0


@pytest.mark.parametrize("kind", CASES)
def test_status(kind, our_way, host):
    case = CASES[kind]
    conf = {**case.make(host), "cniVersion": "1.1.0"}
    our_way.call("STATUS", conf)
    if case.broken is not None:
        keys, code = case.broken
        assert our_way.fails("STATUS", {**conf, **keys}).code == code
    assert our_way.fails("STATUS", {**conf, "cniVersion": "1.0.0"}).code == 1


@pytest.mark.parametrize("kind", registry.PLUGINS)
def test_version(kind, host, plugin_directory):
    ours = execute(host, plugin_directory, kind, "VERSION", {"cniVersion": "1.0.0"})
    assert ours[0] == 0
    if Path(REFERENCE, kind).exists():
        theirs = execute(host, REFERENCE, kind, "VERSION", {"cniVersion": "1.0.0"})
        assert [*theirs[1]["supportedVersions"], "1.1.0"] == ours[1]["supportedVersions"]


@pytest.mark.parametrize("kind", registry.PLUGINS)
def test_delete_passes_where_nothing_was_ever_added(kind, our_way, host):
    if kind in ELSEWHERE:
        pytest.skip("needs a daemon, or a kernel that has it: see test_dhcp and test_ipvlan")
    case = CASES[kind]
    conf = case.make(host)
    for path in (host.container(), "", "/run/netns/mktgone"):
        our_way.delete(conf, path, ifname=case.ifname)


@pytest.mark.parametrize("kind", CASES)
def test_delete_where_the_namespace_has_gone_removes_what_is_outside(kind, our_way, host):
    case = CASES[kind]
    container, conf, before = attached(host, case, our_way, "one")
    if before is not None:
        conf = with_result(conf, before)
    answer = our_way.add(conf, container, ifname=case.ifname, cid="one")
    host.pins.remove(container)
    netns.unpin(container)
    our_way.delete(with_result(conf, answer), container, ifname=case.ifname, cid="one")
    assert case.left(host) == []


@pytest.mark.parametrize("kind", ["bridge", "macvlan", "host-local", "static", "tuning"])
def test_arguments_that_no_plugin_knows_are_refused_unless_told_otherwise(kind, host, plugin_directory):
    case = CASES[kind]
    for number, way in enumerate(all_ways(kind, host, plugin_directory)):
        cid = f"c{number}"
        container, conf, before = attached(host, case, way, cid)
        if before is not None:
            conf = with_result(conf, before)
        assert "unknown args" in way.fails("ADD", conf, container, cid=cid, args={"K8S_POD_NAME": "p"}).msg
        way.add(conf, container, cid=cid, args={"K8S_POD_NAME": "p", "IgnoreUnknown": "true"})
        way.delete(conf, container, cid=cid, args={"K8S_POD_NAME": "p", "IgnoreUnknown": "true"})
        if case.chained:
            detach_all(host, container)


@pytest.mark.parametrize("cid", ["one", "two"])
@pytest.mark.parametrize("kind", ["bridge", "ptp", "macvlan"])
def test_an_add_that_fails_leaves_the_attachment_that_is_there_alone(kind, cid, host, plugin_directory):
    """The same attachment once more, or another one with the same interface: the first has it, and keeps it."""
    case = CASES[kind]
    for way in all_ways(kind, host, plugin_directory):
        container, conf, _ = attached(host, case, way, "one")
        answer = way.add(conf, container, cid="one")
        held = reserved(host)
        way.fails("ADD", conf, container, cid=cid)
        assert sorted(reserved(host)) == sorted(held), way.name
        way.check(conf, container, answer, cid="one")
        way.delete(with_result(conf, answer), container, cid="one")
        assert case.left(host) == []
