"""Conversion of custom resources between the versions of their CRD.

Strategy `None` only changes `apiVersion`; strategy `Webhook` asks, many objects at a time. What must stay the same
(name, namespace, uid) is checked, labels and annotations may change.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from apimachinery.errors import InternalError
from apimachinery.objects.metadata import Obj, new_uid
from apiserver.admission.webhook_client import WebhookClient, WebhookUnreachableError

_TIMEOUT = 30.0


class Converts(Protocol):
    """Brings objects into one version."""

    async def convert(self, objs: list[Obj], api_version: str) -> list[Obj]:
        """Return the objects in `api_version`, in order; they may be changed in place."""


class SameShape:
    """Strategy None."""

    async def convert(self, objs: list[Obj], api_version: str) -> list[Obj]:
        """Change the apiVersion."""
        for obj in objs:
            obj["apiVersion"] = api_version
        return objs


class ByWebhook:
    """Strategy Webhook."""

    def __init__(self, crd: Obj, client: WebhookClient) -> None:
        webhook = ((crd.get("spec") or {}).get("conversion") or {}).get("webhook") or {}
        self._config: Obj = webhook.get("clientConfig") or {}
        versions = webhook.get("conversionReviewVersions") or ["v1"]
        self._version = next((one for one in versions if one in ("v1", "v1beta1")), "v1")
        self._name = crd["metadata"]["name"]
        self._kind = ((crd.get("spec") or {}).get("names") or {}).get("kind", "")
        self._client = client

    async def convert(self, objs: list[Obj], api_version: str) -> list[Obj]:
        """Ask the webhook about those that are not in the wanted version."""
        positions = [position for position, obj in enumerate(objs) if obj.get("apiVersion") != api_version]
        if not positions:
            return objs
        asked = [objs[position] for position in positions]
        answered = await self._ask(asked, api_version)
        out = list(objs)
        for position, before, after in zip(positions, asked, answered, strict=True):
            out[position] = self._checked(before, after, api_version)
        return out

    async def _ask(self, objs: list[Obj], api_version: str) -> list[Obj]:
        uid = new_uid()
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self._version}",
            "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": objs},
        }
        group_version = objs[0].get("apiVersion", "")
        start = f"conversion webhook for {group_version}, Kind={self._kind} failed"
        try:
            answer = await self._client.post(self._config, review, timeout=_TIMEOUT, query="timeout=30s")
        except WebhookUnreachableError as error:
            raise InternalError(f"{start}: {error}") from error
        if answer.status // 100 != 2:
            raise InternalError(f"{start}: the server responded with the status code {answer.status}")
        try:
            response: Any = orjson.loads(answer.body)["response"] or {}
        except (ValueError, TypeError, KeyError) as error:
            raise InternalError(f"{start}: the answer is no ConversionReview with a response") from error
        if not isinstance(response, dict):
            raise InternalError(f"{start}: the answer is no ConversionReview with a response")
        result = response.get("result") or {}
        if result.get("status") != "Success":
            raise InternalError(f"{start}: {result.get('message', 'unknown')}")
        if response.get("uid") != uid:
            raise InternalError(f"{start}: expected response.uid={uid!r}, got {response.get('uid')!r}")
        converted: Any = response.get("convertedObjects") or []
        if not isinstance(converted, list) or not all(isinstance(obj, dict) for obj in converted):
            raise InternalError(f"{start}: response.convertedObjects is no list of objects")
        if len(converted) != len(objs):
            raise InternalError(f"{start}: webhook returned {len(converted)} objects, expected {len(objs)}")
        found: list[Obj] = converted
        return found

    def _checked(self, before: Obj, after: Obj, api_version: str) -> Obj:
        if after.get("apiVersion") != api_version:
            raise InternalError(
                f"conversion webhook for {self._kind} returned invalid converted object: invalid groupVersion "
                f"(required: {api_version}, got: {after.get('apiVersion')})"
            )
        if after.get("kind") != before.get("kind", self._kind):
            raise InternalError(
                f"conversion webhook for {self._kind} returned invalid converted object: invalid kind "
                f"(required: {before.get('kind', self._kind)}, got: {after.get('kind')})"
            )
        old, new = before.get("metadata") or {}, dict(after.get("metadata") or {})
        for field in ("name", "namespace", "uid"):
            if new.get(field, old.get(field)) != old.get(field):
                raise InternalError(
                    f"conversion webhook for {self._kind} returned invalid metadata: metadata.{field} must not change"
                )
        kept = {field: new[field] for field in ("labels", "annotations") if field in new}
        after["metadata"] = {
            **{key: value for key, value in old.items() if key not in ("labels", "annotations")},
            **kept,
        }
        return after


def converter(crd: Obj, client: WebhookClient) -> Converts:
    """Return what converts a CRD's resources."""
    strategy = ((crd.get("spec") or {}).get("conversion") or {}).get("strategy", "None")
    return ByWebhook(crd, client) if strategy == "Webhook" else SameShape()
