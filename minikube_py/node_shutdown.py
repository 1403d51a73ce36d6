"""Taking a node down: its pods, its programs, and everything it put into the kernel.

`stop` keeps what the next start needs; `delete` keeps nothing. Every part is idempotent and looks at what is there, so
that it also cleans up after a start that was interrupted or a profile that is damaged.
"""

import os
import subprocess
import sys
from pathlib import Path

from linux import cgroups, links, mounts
from minikube_py import profiles, supervisor
from minikube_py.console import Console
from minikube_py.profiles import Profile
from minikube_py.programs import cri_flags
from minikube_py.reasons import Failure

_TREE = Path(__file__).resolve().parent.parent
_POD_STOP_SECONDS = 30


def stop_pods(profile: Profile, console: Console) -> None:
    """End the pods' containers with their grace, while the runtime is up; the kubelet is stopped first."""
    states = {row.name: row for row in supervisor.states(profile)}
    for name in ("kubelet", "controllers", "scheduler"):
        if name in states:
            supervisor.stop_program(profile, name)
    if "cri" not in states or states["cri"].state != "RUNNING":
        return
    from minikube_py.runtime_client import RuntimeClient

    try:
        with RuntimeClient(profile) as runtime:
            stopped = runtime.stop_all_sandboxes(_POD_STOP_SECONDS)
    except Failure as failure:
        console.warn(f"pods were not stopped in order: {failure.message}")
        return
    console.say("sub", f"{stopped} pods stopped")


def stop_programs(profile: Profile) -> None:
    """End supervisord, its programs, and those that lost their supervisord."""
    supervisor.stop(profile)
    supervisor.end_strays(profile)


def remove_network(profile: Profile) -> None:
    """Take Service rules, the DNS address and the bridge off the host."""
    _run_program("proxy", "--cleanup", f"--table={profile.proxy_table}")
    dns = f"{profile.network.dns_ip}/32"
    if dns in links.list_addresses("lo"):
        links.del_address("lo", dns)
    if links.link_exists(profile.network.bridge):
        links.delete_link(profile.network.bridge)


def wipe_containers(profile: Profile) -> None:
    """Remove all containers and sandboxes of the profile, with their mounts, namespaces and addresses."""
    if (profile.directory / "cri/crio.conf").exists():
        _run_program("cri", "wipe", *cri_flags(profile))


def remove_leftovers(profile: Profile) -> None:
    """Take away mounts below the profile's directories and the cgroups of its pods."""
    for directory in (profile.directory, profile.run_directory):
        mounts.unmount_tree(str(directory))
    tree = cgroups.detect()
    tree.remove_tree(profile.cgroup)
    if profile.force_systemd:
        from linux.cgroups_systemd import SystemdHost
        from linux.cgroups_v2 import systemd_path

        SystemdHost(tree).remove_tree(systemd_path(profile.cgroup.strip("/").replace("-", "_") + ".slice"))


def delete(name: str, console: Console) -> None:
    """Delete a profile, whatever state it is in."""
    try:
        profile = profiles.load(name)
    except Failure as failure:
        console.warn(f"{failure.message}; deleting what can be found of it")
        profile = Profile(name=name, network=profiles.claimed_network(name))
    stop_programs(profile)
    wipe_containers(profile)
    remove_network(profile)
    remove_leftovers(profile)
    profiles.forget(name)


def _run_program(package: str, *flags: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", package, *flags],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(_TREE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        Console().warn(f"{package} {flags[0]} failed: {(result.stderr or result.stdout).strip()[-500:]}")
