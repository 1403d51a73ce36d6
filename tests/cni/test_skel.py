"""The specification's side of an executable: environment in, JSON out; compared with the reference where it is there."""

import json
import os
import shutil
import subprocess

import pytest

from cni.plugins import registry
from tests.cni.conftest import REFERENCE

pytestmark = pytest.mark.live


@pytest.fixture(params=["ours", "reference"])
def program(request, plugin_directory):
    path = f"{plugin_directory if request.param == 'ours' else REFERENCE}/bridge"
    if not os.path.exists(path):
        pytest.skip("no reference binary")
    return path


@pytest.fixture
def run(host):
    """Run a program on a host of our own: even a call that fails may make a bridge."""
    return lambda program, stdin="", **environment: _run(host.path, program, stdin, environment)


def _run(host, program, stdin, environment):
    words = [shutil.which("nsenter"), f"--net={host}", program]
    done = subprocess.run(words, input=stdin, env=environment, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


GOOD = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_NETNS": "/nowhere", "CNI_IFNAME": "eth0", "CNI_PATH": "/x"}
CONF = json.dumps({"cniVersion": "1.0.0", "name": "n", "type": "bridge"})


def test_without_a_command_it_introduces_itself(run, program):
    status, out, err = run(program)
    assert (status, out) == (0, "")
    assert "CNI protocol versions supported" in err


def test_version(run, program):
    status, out, _ = run(program, '{"cniVersion": "1.0.0"}', CNI_COMMAND="VERSION")
    assert status == 0
    assert {"0.3.1", "0.4.0", "1.0.0"} <= set(json.loads(out)["supportedVersions"])


@pytest.mark.parametrize(
    ("change", "conf", "code"),
    [
        ({"CNI_COMMAND": "WHAT"}, CONF, 4),
        ({"CNI_CONTAINERID": ""}, CONF, 4),
        ({"CNI_CONTAINERID": "-x/"}, CONF, 4),
        ({"CNI_IFNAME": ""}, CONF, 4),
        ({"CNI_IFNAME": "a" * 16}, CONF, 4),
        ({"CNI_IFNAME": "a/b"}, CONF, 4),
        ({"CNI_NETNS": ""}, CONF, 4),
        ({"CNI_PATH": ""}, CONF, 4),
        ({}, "{", 6),
        ({}, "", 6),
        ({}, "[1]", 6),
        ({}, CONF.replace('"1.0.0"', "5"), 6),
        ({}, CONF.replace('"n"', "5"), 6),
        ({}, CONF.replace("1.0.0", "1.0"), 1),
        ({}, CONF.replace("}", ', "nonsense": {"of": ["any", "kind"]}}'), 999),  # unknown keys are not what is wrong
        ({}, CONF.replace("1.0.0", "7.0.0"), 1),
        ({}, json.dumps({"cniVersion": "1.0.0", "type": "bridge"}), 7),
        ({}, CONF.replace('"n"', '"a b"'), 7),
        ({"CNI_COMMAND": "CHECK"}, CONF.replace("1.0.0", "0.3.1"), 1),
        ({}, CONF, 999),
    ],
)
def test_errors(run, program, change, conf, code):
    status, out, _ = run(program, conf, **{**GOOD, **change})
    answer = json.loads(out)
    assert status == 1
    assert answer["code"] == code, answer
    assert answer["msg"]


def test_gc_and_status_need_their_version(run, plugin_directory):
    for command in ("GC", "STATUS"):
        status, out, _ = run(f"{plugin_directory}/bridge", CONF, CNI_COMMAND=command, CNI_PATH="/x")
        assert (status, json.loads(out)["code"]) == (1, 1)


@pytest.mark.parametrize("kind", registry.PLUGINS)
def test_every_plugin_is_an_executable(run, plugin_directory, kind):
    status, out, _ = run(f"{plugin_directory}/{kind}", "", CNI_COMMAND="VERSION")
    assert status == 0
    assert json.loads(out)["supportedVersions"][-1] == "1.1.0"
