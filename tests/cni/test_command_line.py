"""The library by hand: every command, what the environment says, and bad input."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from linux import links, netns
from tests.cni.conftest import addresses_in, tables
from tests.cni.test_library import PORTS, conflist


@pytest.fixture
def tool(tmp_path):
    """Run the command line, on a host where one is given."""
    (tmp_path / "net.d").mkdir()

    def run(*words, host=None, program=("-m", "cni.library"), stdin="", **environment):
        command = [*(("nsenter", f"--net={host.path}") if host else ()), sys.executable, *program, *words]
        settings = {"NETCONFPATH": str(tmp_path / "net.d"), "CNI_CACHE_DIR": str(tmp_path / "cache")}
        return subprocess.run(
            command,
            env={**os.environ, **settings, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=20,
        )

    run.networks = tmp_path / "net.d"
    return run


@pytest.mark.live
def test_every_command(tool, host, plugin_directory):
    (tool.networks / "1.conflist").write_text(json.dumps(conflist(host.directory).raw))
    one, two = host.container(), host.container()
    settings = {"host": host, "CNI_PATH": plugin_directory, "CAP_ARGS": json.dumps({"portMappings": PORTS})}
    added = tool("add", "mktlist", one, **settings)
    assert added.returncode == 0, added.stderr
    assert json.loads(added.stdout)["ips"][0]["address"] == "10.88.0.2/24"
    for words in (("check", "mktlist", one), ("status", "mktlist"), ("status", "mktlist", one)):
        done = tool(*words, **settings)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    settings["CAP_ARGS"] = "{}"
    assert tool("add", "mktlist", two, CNI_IFNAME="net7", CNI_CONTAINERID="two", **settings).returncode == 0
    assert addresses_in(two, "net7") == ["10.88.0.3/24"]
    assert tool("gc", "mktlist", one, "two:net7", **settings).returncode == 0
    assert addresses_in(one)
    assert addresses_in(two, "net7")
    assert tool("gc", "mktlist", one, **settings).returncode == 0
    assert addresses_in(one)
    assert not addresses_in(two, "net7")
    assert tool("del", "mktlist", one, **settings).returncode == 0
    assert tool("del", "mktlist", one, **settings).returncode == 0
    assert addresses_in(one) == []
    amiss = tool("check", "mktlist", one, **settings)
    assert (amiss.returncode, "is not attached" in amiss.stderr, "code 3" in amiss.stderr) == (1, True, True)
    assert tool("gc", "mktlist", **settings).returncode == 0
    assert tables(host) == []


@pytest.mark.live
def test_an_address_by_cni_args_and_cnitools_container_id(tool, host, tmp_path):
    (tool.networks / "1.conflist").write_text(json.dumps(conflist(host.directory).raw))
    one = host.container()
    added = tool("add", "mktlist", one, host=host, CNI_ARGS="IP=10.88.0.77;IgnoreUnknown=1")
    assert json.loads(added.stdout)["ips"][0]["address"] == "10.88.0.77/24"
    cid = "cnitool-" + hashlib.sha512(one.encode()).digest()[:10].hex()
    assert (tmp_path / "cache" / "results" / f"mktlist-{cid}-eth0").exists()
    assert tool("del", "mktlist", one, host=host).returncode == 0
    assert netns.run_in(one, lambda: links.find("eth0")) is None


@pytest.mark.live
def test_is_a_plugin_too(tool, host):
    environment = {"CNI_COMMAND": "VERSION"}
    for program in (("-m", "cni.library"), ("-m", "cni"), ("-m", "cni", "library")):
        done = tool("bridge", program=program, **environment)
        assert json.loads(done.stdout)["cniVersion"] == "1.1.0"
    assert "-socketpath" in tool("dhcp", "daemon", "--help").stderr


def test_teaches(tool):
    shown = tool("--help")
    assert (shown.returncode, tool("add", "--help").stdout, tool().stdout) == (0, shown.stdout, shown.stdout)
    for word in ("NETCONFPATH", "CNI_PATH", "CNI_IFNAME", "CNI_ARGS", "CAP_ARGS", "CNI_CACHE_DIR", "CNI_CONTAINERID"):
        assert word in shown.stdout
    # Its example is a network that can be loaded.
    text = shown.stdout.partition("echo '")[2].partition("' >")[0]
    assert [one["type"] for one in json.loads(text)["plugins"]] == ["bridge", "portmap"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("attach", "lab", "/n"), "no command attach"),
        (("add", "lab"), "NETWORK NETNS"),
        (("add", "lab", "/n", "/m"), "NETWORK NETNS"),
        (("gc",), "NETWORK [KEEP ...]"),
        (("install",), "DIR"),
        (("install", "/a", "/b"), "DIR"),
    ],
)
def test_words_that_are_not_understood(tool, words, said):
    done = tool(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("add", "nothing", "/n"), {}, "no network with the name nothing"),
        (("add", "a b", "/n"), {}, "invalid characters"),
        (("add", "lab", "/n"), {"CAP_ARGS": "{"}, "CAP_ARGS is no JSON"),
        (("add", "lab", "/n"), {"CAP_ARGS": "[1]"}, "CAP_ARGS is no JSON object"),
        (("add", "lab", "/n"), {"CNI_ARGS": "IP"}, "IP"),
        (("add", "lab", "/n"), {"CNI_ARGS": "A=b"}, "unknown args"),
        (("add", "lab", "/n"), {"CNI_IFNAME": "a/b"}, "a/b"),
        (("add", "lab", "/n"), {"CNI_CONTAINERID": "-"}, "container"),
        (("gc", "lab", "-"), {}, "container"),
        (("add", "odd", "/n"), {}, 'failed to find plugin "odd"'),
        (("add", "broken", "/n"), {}, "broken.conflist"),
        (("status", "lab"), {}, "no IP ranges"),
        (("install", "/dev/null/bin"), {}, "/dev/null"),
    ],
)
def test_what_is_wrong_is_told(tool, words, environment, said):
    lab = {"cniVersion": "1.0.0", "name": "lab", "type": "host-local", "ipam": {"type": "host-local"}}
    (tool.networks / "lab.conf").write_text(json.dumps(lab))
    (tool.networks / "odd.conf").write_text(json.dumps({"cniVersion": "1.0.0", "name": "odd", "type": "odd"}))
    if "broken" in words:
        (tool.networks / "broken.conflist").write_text('{"name": "broken"')
    done = tool(*words, CNI_PATH="/nowhere", **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert said in done.stderr
    assert "(code " in done.stderr
