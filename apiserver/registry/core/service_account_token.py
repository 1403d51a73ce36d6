"""TokenRequest: `POST .../serviceaccounts/NAME/token`."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any, Final

from apimachinery.errors import BadRequest, Conflict, Invalid, NotFound
from apimachinery.objects import field_path
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj
from apimachinery.resources import lookup
from apiserver.authentication.service_account_tokens import (
    EXTENDED_SECONDS,
    WARN_ONLY_SECONDS,
    Binding,
    TokenIssuer,
)
from apiserver.authentication.user import UserInfo

_MIN: Final = 600
_MAX: Final = 2**32
_DEFAULT: Final = 3600
_GROUP: Final = "authentication.k8s.io"
# (apiVersion, kind) -> (lister, namespaced)
_BINDABLE: Final[dict[tuple[str, str], tuple[str, bool]]] = {
    ("v1", "Pod"): ("pods", True),
    ("v1", "Secret"): ("secrets", True),
    ("v1", "Node"): ("nodes", False),
}


def _tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(value or ())


class ServiceAccountTokenRequests:
    """Mints tokens for ServiceAccounts."""

    def __init__(self, options: Any, listers: Callable[[str], Any], *, now: Callable[[], float] = time.time) -> None:
        issuers = _tuple(getattr(options, "service_account_issuer", ""))
        self._audiences = list(_tuple(getattr(options, "api_audiences", ())) or issuers)
        self._max = int(getattr(options, "service_account_max_token_expiration", 0) or 0)
        self._extend = bool(getattr(options, "service_account_extend_token_expiration", True))
        key = getattr(options, "service_account_signing_key_file", "")
        self._issuer = TokenIssuer(issuers[0] if issuers else "", key, now=now)
        self._listers = listers
        self._now = now

    async def create(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """Answer one request."""
        del user
        account = self._listers("serviceaccounts").get(namespace, name)
        if account is None:
            raise NotFound.of(lookup("serviceaccounts"), name)
        meta = obj.get("metadata") or {}
        for field, wanted in (("name", name), ("namespace", namespace)):
            if meta.get(field) and meta[field] != wanted:
                raise BadRequest(f"metadata.{field} does not match the {field} in the URL")
        spec = dict(obj.get("spec") or {})
        spec.setdefault("expirationSeconds", _DEFAULT)
        self._validate(spec, name)
        audiences = spec.get("audiences") or self._audiences
        spec["audiences"] = audiences
        binding = self._bind(spec.get("boundObjectRef"), account, namespace, name)
        seconds = int(spec["expirationSeconds"])
        if self._max:
            seconds = min(seconds, self._max)
            spec["expirationSeconds"] = seconds
        lifetime, warn = seconds, 0
        for_pod = binding.pod is not None and audiences == self._audiences
        if self._extend and seconds == WARN_ONLY_SECONDS and for_pod:
            lifetime, warn = EXTENDED_SECONDS, seconds
        token = self._issuer.mint(binding, list(audiences), lifetime, warn_after=warn)
        expires = datetime.datetime.fromtimestamp(int(self._now()) + seconds, datetime.UTC)
        stamp = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        created = datetime.datetime.fromtimestamp(int(self._now()), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            **obj,
            "metadata": {**meta, "name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": stamp},
        }

    def _validate(self, spec: Obj, name: str) -> None:
        path = FieldPath("spec").child("expirationSeconds")
        seconds = spec["expirationSeconds"]
        if seconds < _MIN:
            problem = field_path.invalid(path, seconds, "may not specify a duration less than 10 minutes")
            raise Invalid.of("TokenRequest", _GROUP, name, [problem])
        if seconds > _MAX:
            problem = field_path.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
            raise Invalid.of("TokenRequest", _GROUP, name, [problem])

    def _bind(self, reference: Obj | None, account: Obj, namespace: str, name: str) -> Binding:
        uid = account["metadata"].get("uid", "")
        if not reference:
            return Binding(namespace, name, uid)
        api_version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
        known = _BINDABLE.get((api_version or "v1", kind))
        if known is None:
            raise BadRequest(f"cannot bind token for serviceaccount to {api_version}, Kind={kind} object")
        resource, namespaced = known
        target_name = reference.get("name", "")
        target = self._listers(resource).get(namespace if namespaced else None, target_name)
        if target is None:
            raise NotFound.of(lookup(resource), target_name)
        live = target["metadata"].get("uid", "")
        wanted = reference.get("uid", "")
        if wanted and wanted != live:
            why = f"the UID in the bound object reference ({wanted}) does not match the UID in record. "
            why += "The object might have been deleted and then recreated"
            raise Conflict.of(lookup(resource), target_name, why)
        if kind == "Secret":
            return Binding(namespace, name, uid, secret=target)
        if kind == "Node":
            return Binding(namespace, name, uid, node=target)
        spec = target.get("spec") or {}
        if spec.get("serviceAccountName") != name:
            raise BadRequest(
                f'cannot bind token for serviceaccount "{name}" to pod running with different serviceaccount name.'
            )
        node = self._listers("nodes").get(None, spec["nodeName"]) if spec.get("nodeName") else None
        if node is None and spec.get("nodeName"):
            node = {"metadata": {"name": spec["nodeName"]}}
        return Binding(namespace, name, uid, pod=target, node=node)
