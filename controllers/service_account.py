"""The `default` ServiceAccount of every namespace: made when it is missing, and made again when it is deleted."""

from apimachinery import errors
from apimachinery.controller.runner import Controller, Keys
from apimachinery.objects.metadata import Obj, name, namespace
from controllers.context import Context

NAME = "default"


def new(context: Context) -> Controller:
    """Wire the controller."""
    namespaces = context.informers.informer("namespaces")
    accounts = context.informers.informer("serviceaccounts")

    async def reconcile(key: str) -> None:
        space = namespaces.store.get_key(key)
        if space is None or (space.get("status") or {}).get("phase") == "Terminating":
            return
        if accounts.store.get(key, NAME) is not None:
            return
        try:
            await context.client.create(
                "serviceaccounts",
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": key}},
            )
        except errors.AlreadyExists:
            return

    controller = Controller("serviceaccount-controller", reconcile)
    controller.watch(namespaces)
    controller.watch(accounts, of_namespace(NAME))
    return controller


def of_namespace(wanted: str) -> Keys:
    """Keys for objects of one name: their namespace."""

    def keys(obj: Obj) -> tuple[str, ...]:
        return (namespace(obj),) if name(obj) == wanted else ()

    return keys
