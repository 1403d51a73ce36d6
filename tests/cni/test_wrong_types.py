"""Configurations whose parts are of the wrong types: every plugin answers with an error of the specification, or copes."""

import copy
import re
import shutil

import pytest

from cni.errors import DECODING_FAILURE, INVALID_CONFIG, CNIError
from cni.plugins.host_local.disk_store import DEFAULT_DIRECTORY
from linux import links, netns
from tests.cni.cases import CASES, attached
from tests.cni.conftest import Way, with_result

pytestmark = pytest.mark.live
WRONG = (5, "x", [5], {"a": 5}, True)
# What from_exception makes of an exception that nobody expected.
UNEXPECTED = re.compile(r"(^|: )(\w+Error|AssertionError|RecursionError): ")


def places(value, path=()):
    """Every place in a document."""
    found = [path] if path else []
    entries = {dict: dict.items, list: enumerate}.get(type(value), lambda _: ())(value)
    return found + [place for key, one in entries for place in places(one, (*path, key))]


def changed(document, place, value):
    """A document with another value in a place."""
    made = copy.deepcopy(document)
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return made


@pytest.mark.parametrize("kind", CASES)
def test_no_wrong_type_is_a_surprise(kind, host, plugin_directory, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # one of the wrong values is a relative path
    case, way = CASES[kind], Way("in process", host, plugin_directory)
    container, conf, before = attached(host, case, way, "one")
    conf["dns"], conf["args"] = (
        {"nameservers": ["10.0.0.1"]},
        {"cni": {"ips": ["10.88.0.9"], "mac": "02:00:00:00:00:0b"}},
    )
    conf["runtimeConfig"] = {"ips": ["10.88.0.8"], "mac": "02:00:00:00:00:0b", **conf.get("runtimeConfig", {})}
    if before is not None:
        conf = with_result(conf, before)
    surprises, refused = [], 0
    for place in places(conf):
        if place in (("name",), ("type",)):
            continue
        for value in WRONG:
            odd = changed(conf, place, value)
            for command in ("ADD", "CHECK", "DEL"):
                try:
                    way.call(command, odd, container, ifname=case.ifname, cid="one")
                except CNIError as error:
                    refused += 1
                    if UNEXPECTED.search(error.msg):
                        surprises.append((command, place, value, error.msg))
        if not case.chained and kind != "loopback":
            netns.run_in(container, lambda: links.delete_link(case.ifname))
    # flannel without the key that names another directory keeps its addresses here
    shutil.rmtree(f"{DEFAULT_DIRECTORY}/{conf['name']}", ignore_errors=True)
    assert surprises == []
    assert refused or kind in ("loopback", "sample")


@pytest.mark.parametrize("kind", ["bridge", "host-local", "tuning", "flannel"])
def test_wrong_types_have_the_codes_of_the_specification(kind, host, our_way):
    case = CASES[kind]
    container, conf, before = attached(host, case, our_way, "one")
    if before is not None:
        conf = with_result(conf, before)
    key = {"bridge": "mtu", "host-local": "ipam", "tuning": "sysctl", "flannel": "delegate"}[kind]
    for value in ("x", [5]):
        failure = our_way.fails("ADD", {**conf, key: value}, container, ifname=case.ifname)
        assert failure.code in (DECODING_FAILURE, INVALID_CONFIG), failure
