"""What `cni install` writes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.live


def test_executables_import_nothing_that_costs(plugin_directory, host, tmp_path):
    """No asyncio, no json, no ctypes, no typing; and none of the project's files, which are compiled into one."""
    ipam = {"type": "host-local", "subnet": "10.1.0.0/24", "dataDir": str(tmp_path)}
    traced = host.run(
        *("strace", "-f", "-e", "trace=openat", "-o", "/dev/stderr"),
        *("env", "-i", "CNI_COMMAND=STATUS", "CNI_PATH=/x", f"{plugin_directory}/bridge"),
        stdin=json.dumps({"cniVersion": "1.1.0", "name": "n", "type": "bridge", "ipam": ipam}),
    )
    assert traced.returncode == 0
    names = {
        line.split('"')[1].rpartition("/")[2].partition(".")[0] for line in traced.stderr.splitlines() if '"' in line
    }
    dear = {"json", "re", "typing", "dataclasses", "asyncio", "threading", "pathlib", "socket", "collections", "ctypes"}
    assert not names & (dear | {"struct", "__future__", "skel", "netlink"})
    assert "_json" in names


def version(program):
    """The exit status of a program that is asked for its version."""
    done = subprocess.run(
        [program], env={"CNI_COMMAND": "VERSION"}, input="", capture_output=True, text=True, timeout=20
    )
    return done.returncode


def test_executables_live_without_the_tree(plugin_directory, tmp_path):
    """They are a copy: neither a change of the tree nor its end disturbs them, nor does being called by another path."""
    modules = next(name for name in os.listdir(plugin_directory) if name.startswith("."))
    assert os.getcwd() not in Path(plugin_directory, "bridge").read_text()
    link = tmp_path / "bridge"
    link.symlink_to(f"{plugin_directory}/bridge")
    assert version(link) == 0
    moved = tmp_path / "moved"
    shutil.copytree(plugin_directory, moved)
    text = (moved / "bridge").read_text().replace(plugin_directory, str(moved))
    (moved / "bridge").write_text(text)
    assert version(moved / "bridge") == 0
    (moved / modules).unlink()
    assert version(moved / "bridge") != 0
