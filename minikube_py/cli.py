"""The root command: a table of commands that are imported only when they run, and the only place that exits.

A command's file path is its command path. `--help` of the root costs no import but click.
"""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from minikube_py.console import Console
from minikube_py.reasons import INTERRUPTED, UNEXPECTED, Failure


class CommandRow(NamedTuple):
    """One command: the module that defines `command`, its one-line help, and the heading it stands under."""

    module: str
    help: str
    heading: str


COMMANDS: Mapping[str, CommandRow] = {
    "start": CommandRow("start", "Start a cluster, or bring a stopped one back", "Basic"),
    "status": CommandRow("status", "Tell what runs", "Basic"),
    "stop": CommandRow("stop", "Stop the cluster; its objects survive", "Basic"),
    "delete": CommandRow("delete", "Delete the cluster and all it left on the host", "Basic"),
    "kubectl": CommandRow("kubectl", "Run the kubectl of the matching version", "Basic"),
    "image": CommandRow("image.group", "Build, load, pull, list and remove images", "Images"),
    "cni": CommandRow("cni", "Run the network plugins by hand", "Networking"),
    "ip": CommandRow("ip", "Print the node's address", "Networking"),
    "ssh": CommandRow("ssh", "Open a shell on the node, or run a command there", "Advanced"),
    "logs": CommandRow("logs", "Show what the programs log", "Troubleshooting"),
    "profile": CommandRow("profile.group", "List the clusters of this host, choose the active one", "Configuration"),
    "update-context": CommandRow("update_context", "Put the cluster into the kubeconfig again", "Configuration"),
    "completion": CommandRow("completion", "Print a script for shell completion", "Configuration"),
    "version": CommandRow("version", "Print the version", "Troubleshooting"),
}


class LazyGroup(click.Group):
    """A group whose commands come from a table and are imported on use."""

    def __init__(self, package: str = "", table: Mapping[str, CommandRow] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.package = package
        self.table = table or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of the table, in its order."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        row = self.table.get(cmd_name)
        if row is None:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{row.module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Help by heading, from the table alone."""
        headings: dict[str, list[tuple[str, str]]] = {}
        for name, row in self.table.items():
            headings.setdefault(row.heading, []).append((name, row.help))
        for heading, rows in headings.items():
            with formatter.section(f"{heading} commands"):
                formatter.write_dl(rows)


def profile_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-p NAME`, as every command takes it; the callback receives a name."""

    def chosen(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
        from minikube_py import profiles

        root = ctx.find_root().params.get("root_profile")
        return profiles.checked_name(value or root or os.environ.get("MINIKUBE_PROFILE") or profiles.active_name())

    return click.option(
        "-p", "--profile", "profile_name", metavar="NAME", callback=chosen, help="The cluster that is meant."
    )(function)


@click.command(
    cls=LazyGroup,
    package="minikube_py.commands",
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("-p", "--profile", "root_profile", metavar="NAME", help="The cluster that is meant (default: minikube).")
def root(root_profile: str | None) -> None:
    """A real Kubernetes on one machine.

    \b
    minikube-py start --container-runtime=cri-o    bring up a cluster
    kubectl get pods -A                            use it as any other
    minikube-py delete                             leave nothing behind

    Clusters stand side by side: each command takes -p NAME.
    """


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code. Every failure is shown here, with its mend."""
    console = Console()
    try:
        outcome = root.main(arguments, prog_name="minikube-py", standalone_mode=False)
    except Failure as failure:
        console.failure(failure)
        return failure.reason.exit_code
    except click.ClickException as error:
        error.show()
        return 14 if isinstance(error, click.UsageError) else error.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.failure(Failure(INTERRUPTED, "interrupted"))
        return INTERRUPTED.exit_code
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; that is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: a person gets a sentence, the trace goes along
        import traceback

        traceback.print_exc()
        console.failure(Failure(UNEXPECTED, f"{type(error).__name__}: {error}"))
        return UNEXPECTED.exit_code
    return outcome if isinstance(outcome, int) else 0


def main() -> None:
    """Entry point."""
    raise SystemExit(run(sys.argv[1:]))
