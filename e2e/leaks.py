"""What a cluster may leave behind on a host, counted before and after."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Census:
    """Sets of kernel objects and processes of one moment."""

    mounts: frozenset[str]
    links: frozenset[str]
    addresses: frozenset[str]
    tables: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    files: frozenset[str]

    def left_behind(self, before: "Census") -> dict[str, list[str]]:
        """What is there now and was not before, by kind; empty kinds left out."""
        found = {}
        for kind in self.__dataclass_fields__:
            new = sorted(getattr(self, kind) - getattr(before, kind))
            if new:
                found[kind] = new
        return found


def take_census(*marks: str) -> Census:
    """Count what belongs to clusters.

    Args:
        marks: Texts (profile name, home) that a mount's path, a process's command line, a table's, cgroup's or file's
            name must hold to be counted: other clusters and tests may be at work on the host.
    """
    return Census(
        mounts=frozenset(
            path
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if any(mark in (path := line.split()[4]) for mark in marks)
        ),
        links=frozenset(entry.name for entry in Path("/sys/class/net").glob("mkpy*")),
        addresses=frozenset(_addresses()),
        tables=frozenset(_output("nft", "list", "tables").splitlines()),
        cgroups=frozenset(path for path in _cgroups() if any(mark in path.replace("_", "-") for mark in marks)),
        processes=frozenset(_processes(marks)),
        files=frozenset(_files(marks)),
    )


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _addresses() -> list[str]:
    found = []
    for link in json.loads(_output("ip", "-j", "-4", "address") or "[]"):
        found += [f"{link['ifname']} {row['local']}" for row in link.get("addr_info", [])]
    return found


def _cgroups() -> list[str]:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [str(path) for path in root.glob("minikube[-_]py[-_]*")]
    return [str(path) for path in root.glob("*/minikube[-_]py[-_]*")]


def _processes(marks: tuple[str, ...]) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if any(mark in command for mark in marks) and "pytest" not in command:
                found.append(f"{process.name} {command[:200]}")
    return found


def _files(marks: tuple[str, ...]) -> list[str]:
    found = []
    for directory in (Path("/run"), Path("/run/minikube-py"), Path("/var/lib"), Path("/var/lib/minikube-py/networks")):
        if directory.is_dir():
            found += [str(path) for path in directory.iterdir() if any(mark in path.name for mark in marks)]
    return found
