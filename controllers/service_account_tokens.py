"""Token Secrets: a Secret of type kubernetes.io/service-account-token gets a token of its ServiceAccount.

Tokens of this older form do not expire; they end with their Secret or ServiceAccount. A Secret that names a missing or
another ServiceAccount is deleted, as upstream's tokens controller does.
"""

import base64
from pathlib import Path

from apimachinery import errors
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, annotations, metadata, name, namespace, uid
from controllers.context import Context

TYPE = "kubernetes.io/service-account-token"
_NAME = "kubernetes.io/service-account.name"
_UID = "kubernetes.io/service-account.uid"
_ISSUER = "kubernetes/serviceaccount"


def claims(account: Obj, secret: Obj) -> dict[str, str]:
    """What a token of this form says."""
    space = namespace(account)
    return {
        "iss": _ISSUER,
        "kubernetes.io/serviceaccount/namespace": space,
        "kubernetes.io/serviceaccount/secret.name": name(secret),
        "kubernetes.io/serviceaccount/service-account.name": name(account),
        "kubernetes.io/serviceaccount/service-account.uid": uid(account),
        "sub": f"system:serviceaccount:{space}:{name(account)}",
    }


def new(context: Context) -> Controller:
    """Wire the controller."""
    accounts = context.informers.informer("serviceaccounts")
    secrets = context.informers.informer("secrets", field_selector=f"type={TYPE}")
    ca = Path(context.options.root_ca_file).read_bytes() if context.options.root_ca_file else b""
    key = Path(context.options.service_account_private_key_file).read_bytes()

    def sign(account: Obj, secret: Obj) -> bytes:
        import jwt
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        private = serialization.load_pem_private_key(key, password=None)
        algorithm = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(claims(account, secret), key, algorithm=algorithm).encode()

    async def reconcile(one: str) -> None:
        secret = secrets.store.get_key(one)
        if secret is None:
            return
        account = accounts.store.get(namespace(secret), annotations(secret).get(_NAME, ""))
        if account is None or annotations(secret).get(_UID, uid(account)) != uid(account):
            # The cache may lag behind a ServiceAccount made a moment ago.
            try:
                account = await context.client.get(
                    "serviceaccounts", annotations(secret).get(_NAME, "") or "-", namespace(secret)
                )
            except errors.NotFound:
                account = None
            if account is None or annotations(secret).get(_UID, uid(account)) != uid(account):
                options = {"preconditions": {"uid": uid(secret)}}
                await context.client.delete("secrets", name(secret), namespace(secret), options=options)
                return
        wanted = {"namespace": namespace(secret).encode(), **({"ca.crt": ca} if ca else {})}
        data = {part: base64.b64encode(value).decode() for part, value in wanted.items()}
        there = secret.get("data") or {}
        if there.get("token") and all(there.get(part) == value for part, value in data.items()):
            return
        if not there.get("token"):
            data["token"] = base64.b64encode(sign(account, secret)).decode()
        meta = {**metadata(secret), "annotations": {**annotations(secret), _UID: uid(account)}}
        await context.client.update("secrets", {**secret, "metadata": meta, "data": {**there, **data}})

    def of_account(account: Obj) -> list[str]:
        return [
            f"{namespace(secret)}/{name(secret)}"
            for secret in secrets.store.list(namespace(account))
            if annotations(secret).get(_NAME) == name(account)
        ]

    controller = Controller("serviceaccount-token-controller", reconcile, workers=2)
    controller.watch(secrets)
    controller.watch(accounts, of_account)
    return controller
