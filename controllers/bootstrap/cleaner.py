"""Bootstrap tokens that have ended are deleted."""

from apimachinery import errors
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, is_deleting, key, metadata, name, namespace, uid
from controllers.bootstrap.tokens import is_token, read
from controllers.context import Context


def new(context: Context) -> Controller:
    """Wire the controller."""
    secrets = context.informers.informer("secrets")

    async def reconcile(one: str) -> Result | None:
        secret = secrets.store.get_key(one)
        token = read(secret) if secret is not None else None
        if secret is None or token is None or token.until is None or is_deleting(secret):
            return None
        now = context.clock.now()
        if not token.ended(now):
            return Result(requeue_after=(token.until - now).total_seconds() + 0.05)
        guard = {"uid": uid(secret), "resourceVersion": metadata(secret)["resourceVersion"]}
        try:
            await context.client.delete("secrets", name(secret), namespace(secret), options={"preconditions": guard})
        except (errors.NotFound, errors.Conflict):
            return None
        return None

    controller = Controller("token-cleaner", reconcile, workers=1)
    controller.watch(secrets, _keys)
    return controller


def _keys(secret: Obj) -> tuple[str, ...]:
    return (key(secret),) if is_token(secret) else ()
