"""ServiceAccount: every Pod has one, and gets its token, CA and namespace mounted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any, Final

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices
from apiserver.authentication.service_account_tokens import WARN_ONLY_SECONDS
from apiserver.authorization.node import pod_references

MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX: Final = "kube-api-access-"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_MIRROR: Final = "kubernetes.io/config.mirror"
_ENFORCE: Final = "kubernetes.io/enforce-mountable-secrets"
# The default account of a new namespace is made by a controller a moment later.
_DEFAULT_ATTEMPTS: Final = 20
_DEFAULT_PAUSE: Final = 0.05


def _is_true(value: str | None) -> bool:
    return value in ("1", "t", "T", "TRUE", "true", "True")


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
            out.append((f"envVar {variable.get('name', '')}", reference.get("name", "")))
    sources = [source["secretRef"] for source in container.get("envFrom") or () if source.get("secretRef")]
    out.extend(("envFrom", reference.get("name", "")) for reference in sources)
    return out


_CONTAINER_WORDS: Final = {
    "initContainers": "init container",
    "containers": "container",
    "ephemeralContainers": "ephemeral container",
}


def _unlisted_in_containers(account: Obj, spec: Obj, kinds: Iterable[str]) -> str:
    mountable = _secret_names(account, "secrets")
    for kind in kinds:
        for container in spec.get(kind) or ():
            for where, name in _env_secrets(container):
                if name not in mountable:
                    return (
                        f"{_CONTAINER_WORDS[kind]} {container.get('name', '')} with {where} referencing "
                        f'secret.secretName="{name}" is not allowed because service account '
                        f"{account['metadata']['name']} does not reference that secret"
                    )
    return ""


def unlisted_secret(account: Obj, spec: Obj, *, ephemeral_only: bool = False) -> str:
    """Return why a Pod uses a Secret that its account doesn't list, or ""."""
    if ephemeral_only:
        return _unlisted_in_containers(account, spec, ("ephemeralContainers",))
    mountable = _secret_names(account, "secrets")
    owner = account["metadata"]["name"]
    for volume in spec.get("volumes") or ():
        name = (volume.get("secret") or {}).get("secretName")
        if name and name not in mountable:
            return (
                f'volume with secret.secretName="{name}" is not allowed because service account {owner} '
                "does not reference that secret"
            )
    why = _unlisted_in_containers(account, spec, ("initContainers", "containers"))
    if why:
        return why
    pullable = _secret_names(account, "imagePullSecrets")
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if reference.get("name") not in pullable:
            return (
                f'imagePullSecrets[{index}].name="{reference.get("name")}" is not allowed because service account '
                f"{owner} does not reference that imagePullSecret"
            )
    return ""


# What a mirror Pod may not refer to, in the order it is looked for.
_MIRROR_REFUSALS: Final = {
    "serviceaccounts": "a mirror pod may not reference service accounts",
    "secrets": "a mirror pod may not reference secrets",
    "configmaps": "a mirror pod may not reference configmaps",
    "persistentvolumeclaims": "a mirror pod may not reference persistentvolumeclaims",
}


def mirror_problem(pod: Obj) -> str:
    """Return why a mirror Pod is refused, or ""; its kubelet could read through it what it may not read itself."""
    referred = {resource for resource, _, _ in pod_references(pod)}
    for resource, text in _MIRROR_REFUSALS.items():
        if resource in referred:
            return text
    spec = pod.get("spec") or {}
    if spec.get("resourceClaims"):
        return "a mirror pod may not reference resourceclaims"
    for volume in spec.get("volumes") or ():
        sources = (volume.get("projected") or {}).get("sources") or ()
        if any(source.get("serviceAccountToken") for source in sources):
            return "a mirror pod may not use ServiceAccountToken volume projections"
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
            why = mirror_problem(pod)
        else:
            name = spec.get("serviceAccountName")
            account = self._accounts.get(attrs.namespace, name) if name else None
            if account is None or not _is_true((account["metadata"].get("annotations") or {}).get(_ENFORCE)):
                return
            why = unlisted_secret(account, spec, ephemeral_only=attrs.subresource == "ephemeralcontainers")
        if why:
            raise attrs.forbidden(why)

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
