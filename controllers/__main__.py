"""`python -m controllers`: the controller manager."""

from component.flags import parse
from component.program import run
from controllers.controller_manager import main
from controllers.options import Options

DESCRIPTION = """The Kubernetes controller manager: one reconciler per kind, which moves what is towards what is wished.
It needs an API server (--kubeconfig) and waits for it; any conformant one will do."""

if __name__ == "__main__":
    run("controllers", main, parse(Options, None, prog="controllers", description=DESCRIPTION))
