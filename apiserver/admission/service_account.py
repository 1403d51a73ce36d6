"""ServiceAccount: every Pod has one, and gets its token, CA and namespace mounted."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices
from apiserver.authentication.service_account_tokens import WARN_ONLY_SECONDS

MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX: Final = "kube-api-access-"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_MIRROR: Final = "kubernetes.io/config.mirror"
_ENFORCE: Final = "kubernetes.io/enforce-mountable-secrets"
# The default account of a new namespace is made by a controller a moment later.
_DEFAULT_ATTEMPTS: Final = 20
_DEFAULT_PAUSE: Final = 0.05


def token_volume(name: str) -> Obj:
    """Return the projected volume with token, CA bundle and namespace."""
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "name": name,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": WARN_ONLY_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
            ],
        },
    }


def mount_token(spec: Obj) -> None:
    """Mount the token volume into every container that has nothing at its path."""
    volumes = spec.get("volumes") or []
    name = next((volume["name"] for volume in volumes if volume.get("name", "").startswith(VOLUME_PREFIX)), "")
    needed = False
    taken = name or VOLUME_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(5))
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            mounts = container.get("volumeMounts") or []
            if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                continue
            mount = {"name": taken, "readOnly": True, "mountPath": MOUNT_PATH}
            container["volumeMounts"] = [*mounts, mount]
            needed = True
    if needed and not name:
        spec["volumes"] = [*volumes, token_volume(taken)]


def _secret_names(account: Obj, field: str) -> set[str]:
    return {reference.get("name", "") for reference in account.get(field) or ()}


def _env_secrets(container: Obj) -> list[tuple[str, str]]:
    out = []
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            out.append(("envVar", reference.get("name", "")))
    sources = [source["secretRef"] for source in container.get("envFrom") or () if source.get("secretRef")]
    out.extend(("envFrom", reference.get("name", "")) for reference in sources)
    return out


def unlisted_secret(account: Obj, spec: Obj) -> str:
    """Return why a Pod uses a Secret that its account doesn't list, or ""."""
    mountable = _secret_names(account, "secrets")
    owner = account["metadata"]["name"]
    for volume in spec.get("volumes") or ():
        name = (volume.get("secret") or {}).get("secretName")
        if name and name not in mountable:
            return (
                f'volume with secret.secretName="{name}" is not allowed because service account {owner} '
                "does not reference that secret"
            )
    for kind, word in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(kind) or ():
            for where, name in _env_secrets(container):
                if name not in mountable:
                    return (
                        f'{word} {container.get("name", "")} with {where} referencing secret.secretName="{name}" is '
                        f"not allowed because service account {owner} does not reference that secret"
                    )
    pullable = _secret_names(account, "imagePullSecrets")
    for reference in spec.get("imagePullSecrets") or ():
        if reference.get("name") not in pullable:
            return (
                f'imagePullSecrets[0].name="{reference.get("name")}" is not allowed because service account {owner} '
                "does not reference that imagePullSecret"
            )
    return ""


class ServiceAccount(OnResources):
    """The plugin."""

    name = "ServiceAccount"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", "ephemeralcontainers")})

    def __init__(self, services: PluginServices) -> None:
        self._accounts = services.listers("serviceaccounts")
        self._client = services.client

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Set the account, mount its token, take over its pull secrets."""
        pod: Any = attrs.object
        if attrs.operation != CREATE or _MIRROR in (pod["metadata"].get("annotations") or {}):
            return
        spec = pod["spec"]
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = spec.get("serviceAccount") or "default"
        spec["serviceAccount"] = spec["serviceAccountName"]
        account = await self._account(attrs, spec["serviceAccountName"])
        wanted = spec.get("automountServiceAccountToken")
        if wanted is None:
            wanted = account.get("automountServiceAccountToken")
        if wanted is not False:
            mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(reference) for reference in account["imagePullSecrets"]]

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Check mirror Pods and accounts that limit their Secrets."""
        pod: Any = attrs.object
        spec = pod.get("spec") or {}
        if _MIRROR in (pod["metadata"].get("annotations") or {}):
            self._check_mirror(attrs, spec)
            return
        name = spec.get("serviceAccountName")
        account = self._accounts.get(attrs.namespace, name) if name else None
        if account is None:
            return
        if (account["metadata"].get("annotations") or {}).get(_ENFORCE) == "true":
            why = unlisted_secret(account, spec)
            if why:
                raise attrs.forbidden(why)

    def _check_mirror(self, attrs: AdmissionAttributes, spec: Obj) -> None:
        if spec.get("serviceAccountName"):
            raise attrs.forbidden("a mirror pod may not reference service accounts")
        for volume in spec.get("volumes") or ():
            sources = (volume.get("projected") or {}).get("sources") or ()
            if any(source.get("serviceAccountToken") for source in sources):
                raise attrs.forbidden("a mirror pod may not use ServiceAccountToken volume projections")
            if volume.get("secret"):
                raise attrs.forbidden("a mirror pod may not reference secrets")

    async def _account(self, attrs: AdmissionAttributes, name: str) -> Obj:
        found: Obj | None = self._accounts.get(attrs.namespace, name)
        attempts = _DEFAULT_ATTEMPTS if name == "default" else 1
        for attempt in range(attempts):
            if found is not None:
                return found
            if attempt:
                await asyncio.sleep(_DEFAULT_PAUSE)
            try:
                found = await self._client.get("serviceaccounts", name, attrs.namespace)
            except NotFound:
                found = None
        if found is not None:
            return found
        raise attrs.forbidden(
            f'error looking up service account {attrs.namespace}/{name}: serviceaccount "{name}" not found'
        )
