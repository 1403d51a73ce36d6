"""The steps of `start`, in order."""

from minikube_py import kubeconfig_file, supervisor
from minikube_py.steps.check_extra_config import check_extra_config
from minikube_py.steps.check_host import check_host
from minikube_py.steps.install_packages import install_packages
from minikube_py.steps.interface import StartContext, Step
from minikube_py.steps.mount_propagation import mount_propagation
from minikube_py.steps.network import network
from minikube_py.steps.wait_ready import wait_ready
from minikube_py.steps.write_configuration import write_configuration


def _start_programs(context: StartContext) -> None:
    if not supervisor.pid(context.profile):
        supervisor.end_strays(context.profile)
    supervisor.start(context.profile)


def _write_kubeconfig(context: StartContext) -> None:
    kubeconfig_file.merge(context.profile, make_current=not context.keep_context)


STEPS: tuple[Step, ...] = (
    Step("", check_host),
    Step("", install_packages),
    Step("", check_extra_config),
    Step("", mount_propagation),
    Step("Writing certificates and configuration ...", write_configuration),
    Step("Setting up the network ...", network),
    Step("Starting the programs ...", _start_programs),
    Step("Waiting for the cluster ...", wait_ready),
    Step("", _write_kubeconfig),
)
