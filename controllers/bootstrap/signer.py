"""Signs kube-public/cluster-info with every bootstrap token, so that who joins can tell the cluster is the right one.

The signatures are JSON Web Signatures with detached content (RFC 7515, appendix F), under `jws-kubeconfig-TOKEN_ID`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, name, namespace
from controllers.bootstrap.tokens import Token, is_token, read
from controllers.context import Context

_NAMESPACE, _NAME = "kube-public", "cluster-info"
_CONTENT = "kubeconfig"
_SIGNATURE = "jws-kubeconfig-"


def detached_signature(content: str, token: Token) -> str:
    """The signature of a content by a token.

    Args:
        content: What is signed; it is left out of the signature.
        token: Its secret is the key.
    """
    header = _base64url(json.dumps({"alg": "HS256", "kid": token.identity}, separators=(",", ":")).encode())
    signed = f"{header}.{_base64url(content.encode())}".encode()
    return f"{header}..{_base64url(hmac.digest(token.secret.encode(), signed, hashlib.sha256))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(data: Obj, tokens: Iterable[Token]) -> Obj:
    """The data of cluster-info with the signatures of these tokens and of no others."""
    kept = {key: value for key, value in data.items() if not key.startswith(_SIGNATURE)}
    content = data.get(_CONTENT)
    if not content:
        return kept
    return {**kept, **{f"{_SIGNATURE}{one.identity}": detached_signature(content, one) for one in tokens}}


def new(context: Context) -> Controller:
    """Wire the controller."""
    secrets = context.informers.informer("secrets")
    config_maps = context.informers.informer("configmaps")

    async def reconcile(_: str) -> Result | None:
        live = config_maps.store.get(_NAMESPACE, _NAME)
        if live is None:
            return None
        now = context.clock.now()
        tokens = [token for secret in secrets.store.list("kube-system") if (token := read(secret)) is not None]
        holding = [token for token in tokens if token.signs and not token.ended(now)]
        wanted = signed(live.get("data") or {}, holding)
        if wanted != (live.get("data") or {}):
            await context.client.update("configmaps", {**live, "data": wanted})
        ends = [(token.until - now).total_seconds() for token in holding if token.until is not None]
        return Result(requeue_after=min(ends) + 0.05) if ends else None

    controller = Controller("bootstrap-signer", reconcile, workers=1)
    controller.watch(secrets, lambda secret: (_NAME,) if is_token(secret) else ())
    controller.watch(config_maps, _cluster_info)
    return controller


def _cluster_info(config_map: Obj) -> tuple[str, ...]:
    return (_NAME,) if (namespace(config_map), name(config_map)) == (_NAMESPACE, _NAME) else ()
