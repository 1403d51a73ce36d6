"""Counts what a runtime has on this host: in its state, the store, the mount table, cgroups, processes, addresses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path

from linux import mounts
from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import CGROUP_MANAGER, Service, cgroup_roots, until


def _json(path: Path) -> list[dict[str, object]]:
    return json.loads(path.read_text() or "[]") if path.exists() else []


def differences(service: Service) -> list[str]:
    """What is on the host but not in the runtime's answers, or the other way round."""
    containers = {c.id for c in service.runtime.ListContainers(api.ListContainersRequest()).containers}
    items = service.runtime.ListPodSandbox(api.ListPodSandboxRequest()).items
    sandboxes = {s.id for s in items}
    connected = len([s for s in items if s.state == api.SANDBOX_READY])
    answers = (containers, sandboxes)
    statuses = [
        service.runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id=s.id)).status for s in items
    ]
    addresses = {status.network.ip for status in statuses}
    return [
        f"{name}: {found} instead of {wanted}"
        for name, found, wanted in (
            ("sandbox directories", set(os.listdir(service.state / "sandboxes")), sandboxes),
            ("container directories", set(os.listdir(service.state / "containers")), containers),
            *_store(service, containers),
            ("cgroups", _cgroups(service) - sandboxes, containers),
            ("bundles of monitors", _monitored(service), containers),
            ("mounts", _mounted(service) - set().union(*answers), set()),
            ("addresses", len(list((service.directory / "ipam" / service.name).glob("10.*"))), connected),
            ("ports of the bridge", _ports(service), connected),
            ("exit files", set(os.listdir(service.state / "exits")) - containers, set()),
            ("OCI runtimes' own", _of_runtimes(service).difference(*answers), set()),
            ("rules of the firewall", _rules(service) - addresses, set()),
        )
        if found != wanted
    ]


def check(service: Service, moment: str = "") -> None:
    """Everything is accounted for; what ends by itself may take a moment."""
    try:
        until(lambda: not differences(service), 5)
    except AssertionError:
        raise AssertionError("\n".join([moment, *differences(service)])) from None


def _store(service: Service, containers: set[str]) -> list[tuple[str, object, object]]:
    root = service.root
    layers = {str(layer["id"]) for layer in _json(root / "overlay-layers/layers.json")}
    records = _json(root / "overlay-containers/containers.json")
    ours = {str(r["id"]) for r in records if str(service.state) in str(r.get("metadata"))}
    named = {os.readlink(link).split("/")[1] for link in (root / "overlay/l").iterdir()}
    stray = [p.name for p in (root / "overlay").iterdir() if p.name.startswith(".doomed")]
    return [
        ("layer directories", {p.name for p in (root / "overlay").iterdir() if len(p.name) == 64}, layers),
        ("links of layers", named, layers),
        ("layers of containers", {str(r["layer"]) for r in records} - layers, set()),
        ("container records", ours, containers),
        ("leftovers", stray, []),
    ]


def _cgroups(service: Service) -> set[str]:
    found = set()
    for root in cgroup_roots():
        for directory, _, _ in os.walk(root / service.top_group()):
            name = Path(directory).name.removesuffix(".scope")
            if name.startswith("crio-"):
                found.add(name.removeprefix("crio-"))
    # systemd removes a scope when its last process ends.
    return found | _ended(service) if CGROUP_MANAGER == "systemd" else found


def _monitored(service: Service) -> set[str]:
    """Containers that have a conmon, and those that need none any more."""
    monitors = set()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = process.read_bytes().decode().split("\0")
            if words[0].endswith("conmon") and f"{service.state}/containers" in words[words.index("-b") + 1]:
                monitors.add(words[words.index("-c") + 1])
    return monitors | _ended(service)


def _ended(service: Service) -> set[str]:
    request = api.ListContainersRequest(filter={"state": {"state": api.CONTAINER_EXITED}})
    return {c.id for c in service.runtime.ListContainers(request).containers}


def _mounted(service: Service) -> set[str]:
    """Ids in the paths of mounts below the state, and of the containers whose layer is mounted."""
    found = {
        Path(mount.path).relative_to(service.state).parts[1]
        for mount in mounts.mountinfo()
        if mount.path.startswith(f"{service.state}/") and len(Path(mount.path).relative_to(service.state).parts) > 1
    }
    of_layer = {str(r["layer"]): str(r["id"]) for r in _json(service.root / "overlay-containers/containers.json")}
    layers = [Path(m.path).parent.name for m in mounts.mountinfo() if m.path.startswith(f"{service.root}/overlay/")]
    return found | {of_layer.get(layer, f"layer {layer}") for layer in layers}


def _of_runtimes(service: Service) -> set[str]:
    """What the OCI runtimes keep of containers."""
    return {path.name for path in (service.state / "oci").glob("*/*")}


def _rules(service: Service) -> set[str]:
    """Addresses of pods that rules of the firewall name."""
    words = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=False).stdout
    return set(re.findall(re.escape(service.subnet) + r"\.\d+(?!/)\b", words)) - {f"{service.subnet}.0"}


def _ports(service: Service) -> int:
    directory = Path("/sys/class/net") / service.name / "brif"
    return len(list(directory.iterdir())) if directory.exists() else 0
