"""`python -m addons`: the cluster's DNS and the storage provisioner in one process, which halves their memory."""

from dataclasses import dataclass

from addons.dns import options as dns_options
from addons.dns.__main__ import serve as serve_dns
from addons.storage_provisioner import options as storage_options
from addons.storage_provisioner.__main__ import serve as serve_storage
from component.flags import flag, parse
from component.program import run
from component.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Options(dns_options.Options):
    """The DNS server's flags and the provisioner's directory."""

    hostpath_root: str = flag("", help="Directory below which volumes are made; empty for no storage provisioner.")


async def serve(options: Options) -> None:
    """Runs both until cancelled; trouble with storage never ends the DNS."""
    async with Tasks() as tasks:
        if options.hostpath_root:
            storage = storage_options.Options(kubeconfig=options.kubeconfig, root=options.hostpath_root)
            tasks.spawn(lambda: serve_storage(storage), name="storage provisioner", restart=True)
        tasks.spawn(serve_dns(options), name="dns")
        await tasks.wait()


if __name__ == "__main__":
    run("addons", serve, parse(Options, None, prog="addons", description=__doc__ or ""))
