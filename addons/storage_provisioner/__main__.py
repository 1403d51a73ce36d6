"""`python -m addons.storage_provisioner`: volumes for claims of the class `standard`, as directories of the node."""

from addons.storage_provisioner.options import Options
from addons.storage_provisioner.provisioner import StorageProvisioner
from apimachinery.client.events import EventRecorder
from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from component.flags import parse
from component.program import run
from component.tasks import Tasks


async def serve(options: Options) -> None:
    """Runs until cancelled."""
    client = Client.from_kubeconfig(options.kubeconfig, user_agent="storage-provisioner")
    factory = InformerFactory(client)
    recorder = EventRecorder(client, "k8s.io/minikube-hostpath")
    try:
        async with Tasks() as tasks:
            provisioner = StorageProvisioner(client, factory, recorder, options.root)
            tasks.spawn(recorder.run, name="events", restart=True)
            tasks.spawn(factory.run, name="informers")
            tasks.spawn(provisioner.run, name="provisioner")
            await tasks.wait()
    finally:
        await client.close()


if __name__ == "__main__":
    run("storage-provisioner", serve, parse(Options, None, prog="storage-provisioner", description=__doc__ or ""))
