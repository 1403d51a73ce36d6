"""Brings the Debian packages onto the host that the node's programs need."""

from minikube_py import host_packages
from minikube_py.reasons import PACKAGE_INSTALL, Failure
from minikube_py.steps.interface import StartContext


def install_packages(context: StartContext) -> None:
    """Install what is missing; costs nothing where all is there.

    Raises:
        Failure: PACKAGE_INSTALL.
    """
    missing = host_packages.missing()
    if not missing:
        return
    if not context.install_packages:
        packages = " ".join(missing)
        raise Failure(PACKAGE_INSTALL, f"missing: {packages}, and --install-packages=false", packages=packages)
    with context.console.timed(f"Installing {', '.join(missing)} ..."):
        host_packages.install(missing, lambda what: context.console.say("sub", what))
