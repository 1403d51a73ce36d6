"""`minikube-py start`."""

import dataclasses
from typing import Any

import click

from component.version import KUBERNETES_VERSION, MINIKUBE_PY_VERSION
from minikube_py import extra_config as extra_flags
from minikube_py import kubeconfig_file, ports, profiles, supervisor
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.drivers import registry as drivers
from minikube_py.profile_lock import profile_lock
from minikube_py.profiles import Profile
from minikube_py.reasons import PROFILE_CHANGED, RUNS_OTHERWISE, USAGE, Failure
from minikube_py.runtimes import registry as runtimes
from minikube_py.steps.check_extra_config import check_extra_config
from minikube_py.steps.check_host import check_host, demand_root
from minikube_py.steps.interface import StartContext
from minikube_py.steps.registry import STEPS
from minikube_py.steps.wait_ready import ApiProbe


@click.command
@profile_option
@click.option("--container-runtime", default="cri-o", show_default=True, help="What runs the containers: cri-o.")
@click.option(
    "--driver", "--vm-driver", default="none", show_default=True, help="Where the node runs: none (this host)."
)
@click.option("--kubernetes-version", default=KUBERNETES_VERSION, show_default=True, help="The version to serve.")
@click.option("--apiserver-port", type=click.IntRange(1, 65535), help="The API server's port (default: 8443).")
@click.option("--apiserver-names", multiple=True, help="Further host names in the API server's certificate.")
@click.option("--apiserver-ips", multiple=True, help="Further addresses in the API server's certificate.")
@click.option("--pod-network-cidr", default="", help="The range of pod addresses (default: 10.244.0.0/16).")
@click.option("--service-cluster-ip-range", default="", help="The range of Service addresses (default: 10.96.0.0/12).")
@click.option("--oci-runtime", type=click.Choice(["crun", "runc"]), help="Default: crun where it can run, else runc.")
@click.option("--force-systemd", is_flag=True, help="Let systemd make the cgroups of pods (default: the kubelet does).")
@click.option("--storage-root", default="", help="The image store (default: the host's, shared with podman).")
@click.option("--storage-runroot", default="", help="The image store's state of this boot.")
@click.option("--insecure-registry", multiple=True, metavar="HOST[:PORT]", help="A registry without TLS.")
@click.option(
    "--extra-config",
    multiple=True,
    metavar="COMPONENT.FLAG=VALUE",
    help="A flag of apiserver, controller-manager, scheduler, kubelet, kube-proxy or etcd; may be repeated.",
)
@click.option(
    "--wait-timeout", type=float, default=360.0, show_default=True, help="Seconds to wait until it is usable."
)
@click.option("--keep-context", is_flag=True, help="Leave kubectl's current context as it is.")
@click.option("--install-packages/--no-install-packages", default=True, help="Install missing Debian packages.")
@click.option("--force", is_flag=True, help="Start although memory or disk look too small.")
def command(  # noqa: PLR0913 - one parameter a flag
    profile_name: str,
    container_runtime: str,
    driver: str,
    kubernetes_version: str,
    apiserver_port: int | None,
    apiserver_names: tuple[str, ...],
    apiserver_ips: tuple[str, ...],
    pod_network_cidr: str,
    service_cluster_ip_range: str,
    oci_runtime: str | None,
    storage_root: str,
    storage_runroot: str,
    insecure_registry: tuple[str, ...],
    extra_config: tuple[str, ...],
    wait_timeout: float,
    *,
    force_systemd: bool,
    keep_context: bool,
    install_packages: bool,
    force: bool,
) -> None:
    """Start a cluster, or bring a stopped one back.

    On the first start it checks the host, installs what is missing, makes certificates and starts etcd, the API
    server, scheduler, controllers, kubelet, container runtime, proxy and DNS. A start of a running cluster changes
    nothing; one that was interrupted goes on where it stopped.

    \b
    minikube-py start --container-runtime=cri-o
    minikube-py start -p second                    another cluster beside it
    minikube-py start --extra-config=apiserver.audit-log-path=/var/log/audit.log
    """
    wishes = {
        "container_runtime": runtimes.checked(container_runtime),
        "driver": drivers.checked(driver),
        "kubernetes_version": _checked_version(kubernetes_version),
        "oci_runtime": oci_runtime or "",
        "storage_root": storage_root,
        "storage_runroot": storage_runroot,
        "force_systemd": force_systemd,
    }
    more_flags = extra_flags.checked(extra_config)
    demand_root("start")
    console = Console()
    with profile_lock(profile_name):
        if profiles.exists(profile_name):
            profile = profiles.load(profile_name)
            _demand_unchanged(profile, {**wishes, "ports.apiserver": apiserver_port or 0})
            if is_up(profile):
                _demand_running_with(profile, more_flags)
                kubeconfig_file.merge(profile, make_current=not keep_context)
                console.say("done", f'The cluster "{profile.name}" is running already; nothing was changed.')
                return
        console.say("start", f"minikube-py v{MINIKUBE_PY_VERSION}, profile {profile_name}")
        console.say("step", f"Kubernetes {KUBERNETES_VERSION} with {wishes['container_runtime']} on this host")
        if not profiles.exists(profile_name):
            profile = Profile(
                name=profile_name,
                network=profiles.default_network(0, pod_network_cidr, service_cluster_ip_range),
                apiserver_names=apiserver_names,
                apiserver_ips=apiserver_ips,
                insecure_registries=insecure_registry,
                extra_config=more_flags,
            )
            chosen: dict[str, Any] = {key: value for key, value in wishes.items() if value}
            profile = dataclasses.replace(profile, **chosen)
            quiet = StartContext(profile=profile, console=Console(quiet=True), force=force)
            check_host(quiet)
            check_extra_config(quiet)
            network = profiles.claim_network(profile_name, pod_network_cidr, service_cluster_ip_range)
            try:
                profile = dataclasses.replace(
                    profile, network=network, ports=ports.choose(network.index, apiserver_port or 0)
                )
                profile.save()
            except Failure:
                profiles.release_network(profile_name)
                raise
        else:
            profile = profiles.load(profile_name)
            profiles.claim_network(profile_name)
            if more_flags and more_flags != profile.extra_config:
                if supervisor.pid(profile):
                    _demand_running_with(profile, more_flags)
                profile = dataclasses.replace(profile, extra_config=more_flags)
                profile.save()
            if not supervisor.pid(profile):
                supervisor.end_strays(profile)
                ports.demand_free(profile.ports.apiserver, "--apiserver-port")
        context = StartContext(
            profile=profile,
            console=console,
            force=force,
            wait_seconds=wait_timeout,
            keep_context=keep_context,
            install_packages=install_packages,
        )
        for step in STEPS:
            if step.title:
                console.say("step", step.title)
            step.run(context)
    console.say("done", f'Done! kubectl uses the cluster "{profile.name}" now.')
    console.say("info", "Next: `kubectl get pods -A`, `minikube-py image build -t hello .`, `minikube-py status`")


def _checked_version(version: str) -> str:
    asked = version if version.startswith("v") else f"v{version}"
    if asked not in (KUBERNETES_VERSION, KUBERNETES_VERSION.rpartition(".")[0], "vstable", "vlatest"):
        raise Failure(USAGE, f"Kubernetes {version} is not served; this minikube-py serves {KUBERNETES_VERSION}")
    return KUBERNETES_VERSION


def _demand_unchanged(profile: Profile, wishes: dict[str, object]) -> None:
    """What is decided when a cluster is made can't be changed by a later start.

    Raises:
        Failure: PROFILE_CHANGED.
    """
    for key, wanted in wishes.items():
        value: object = profile
        for part in key.split("."):
            value = getattr(value, part)
        if wanted and key != "kubernetes_version" and wanted != value:
            flag = "--apiserver-port" if key == "ports.apiserver" else "--" + key.replace("_", "-")
            raise Failure(
                PROFILE_CHANGED, f'the cluster "{profile.name}" was made with {flag}={value}', name=profile.name
            )


def _demand_running_with(profile: Profile, wanted: tuple[str, ...]) -> None:
    if wanted and wanted != profile.extra_config:
        told = " ".join(f"--extra-config={entry}" for entry in profile.extra_config) or "no --extra-config"
        raise Failure(RUNS_OTHERWISE, f'the cluster "{profile.name}" runs with {told}', name=profile.name)


def is_up(profile: Profile) -> bool:
    """Whether all programs run and the node is Ready."""
    rows = supervisor.states(profile)
    if not rows or any(row.state != "RUNNING" for row in rows):
        return False
    probe = ApiProbe(profile, timeout=2.0)
    return probe.is_ready() and probe.node_is_ready(profile.name)
