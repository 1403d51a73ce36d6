"""The `kube-root-ca.crt` ConfigMap of every namespace: the CA that pods check the API server with."""

from pathlib import Path

from apimachinery import errors
from apimachinery.controller.runner import Controller
from controllers.context import Context
from controllers.service_account import of_namespace

NAME = "kube-root-ca.crt"
_NOTE = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
}


def new(context: Context) -> Controller:
    """Wire the controller."""
    data = {"ca.crt": Path(context.options.root_ca_file).read_text()}
    namespaces = context.informers.informer("namespaces")
    config_maps = context.informers.informer("configmaps")

    async def reconcile(key: str) -> None:
        space = namespaces.store.get_key(key)
        if space is None or (space.get("status") or {}).get("phase") == "Terminating":
            return
        live = config_maps.store.get(key, NAME)
        wanted = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": key, "annotations": _NOTE},
            "data": data,
        }
        if live is None:
            try:
                await context.client.create("configmaps", wanted)
            except errors.AlreadyExists:
                return
        elif live.get("data") != data:
            await context.client.update("configmaps", {**live, "data": data})

    controller = Controller("root-ca-certificate-publisher-controller", reconcile)
    controller.watch(namespaces)
    controller.watch(config_maps, of_namespace(NAME))
    return controller
