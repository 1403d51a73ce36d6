"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook.

Configurations are compiled when they change. A request that no rule is for costs one dictionary look-up. Mutating
webhooks are called one after the other, validating ones at the same time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

import orjson

from apimachinery.errors import APIError, BadRequest, Forbidden, InternalError
from apimachinery.objects.metadata import Obj, new_uid
from apimachinery.patches import json_patch
from apimachinery.resources import Resource
from apiserver.admission.cel import CompileError, compile_expression
from apiserver.admission.chain import AdmissionAttributes, PluginServices
from apiserver.admission.matching import (
    EXEMPT,
    Condition,
    ConditionError,
    Matcher,
    conditions_hold,
    request_object,
)
from apiserver.admission.metrics import ADMIT
from apiserver.admission.object_versions import ObjectVersions
from apiserver.admission.webhook_client import WebhookClient, WebhookUnreachableError
from apiserver.admission.webhook_review import (
    API_VERSIONS,
    CallFailedError,
    checked,
    denied,
    parse_answer,
    patch_operations,
)

_GROUP: Final = "admissionregistration.k8s.io"
_MARK: Final = "webhook.admission.k8s.io"
_CONDITION_VARIABLES: Final = ("object", "oldObject", "request", "authorizer")


@dataclass(slots=True)
class Webhook:
    """One compiled webhook."""

    name: str
    configuration: str
    matcher: Matcher
    client_config: Obj
    ignore_failure: bool
    timeout: int
    has_side_effects: bool
    version: str
    reinvoke: bool


def compile_webhook(configuration: str, raw: Obj) -> Webhook:
    """Compile one entry of `webhooks`."""
    matcher = Matcher.of(raw, raw.get("rules") or ())
    for condition in raw.get("matchConditions") or ():
        expression = compile_expression(condition["expression"], _CONDITION_VARIABLES)
        matcher.conditions.append(Condition(condition.get("name", ""), expression))
    versions = raw.get("admissionReviewVersions") or ["v1"]
    return Webhook(
        name=raw["name"],
        configuration=configuration,
        matcher=matcher,
        client_config=raw.get("clientConfig") or {},
        ignore_failure=raw.get("failurePolicy") == "Ignore",
        timeout=int(raw.get("timeoutSeconds") or 10),
        has_side_effects=raw.get("sideEffects") not in ("None", "NoneOnDryRun"),
        version=next((one for one in versions if one in API_VERSIONS), "v1"),
        reinvoke=raw.get("reinvocationPolicy") == "IfNeeded",
    )


class Dispatcher:
    """Finds the webhooks for a request and calls them."""

    def __init__(self, services: PluginServices, word: str, client: WebhookClient) -> None:
        self._word = word
        self._kind = ADMIT if word == "mutating" else word
        self._metrics = services.metrics
        self._lister = services.listers(f"{word}webhookconfigurations.{_GROUP}")
        self._namespaces = services.listers("namespaces")
        self._client = client
        self._loopback = services.client
        self._authorizer = services.authorizer
        self.versions = ObjectVersions(services.listers, client)
        self._stale = True
        self._hooks: list[Webhook] = []
        self._lister.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._stale = True

    @property
    def hooks(self) -> list[Webhook]:
        """All webhooks, in the order of their configurations' names."""
        if self._stale:
            self._stale = False
            self._hooks = []
            for configuration in sorted(self._lister.list(), key=lambda obj: str(obj["metadata"]["name"])):
                for raw in configuration.get("webhooks") or ():
                    try:
                        self._hooks.append(compile_webhook(configuration["metadata"]["name"], raw))
                    except (CompileError, AttributeError, KeyError, TypeError, ValueError):
                        # Stored before it was checked; it can't be honoured.
                        continue
        return self._hooks

    async def wanted(self, attrs: AdmissionAttributes, hook: Webhook) -> Resource | None:
        """Return the resource a webhook wants the request as, None when it is not for it.

        Raises:
            Forbidden: a match condition failed and the failure policy is Fail.
        """
        resource = hook.matcher.resource_for(attrs, self.versions)
        if resource is None:
            return None
        namespace = None
        if attrs.namespace and not hook.matcher.namespaces.is_empty:
            namespace = self._namespaces.get(None, attrs.namespace)
            if namespace is None:
                try:
                    namespace = await self._loopback.get("namespaces", attrs.namespace)
                except APIError:
                    namespace = None
        if not hook.matcher.labels_match(attrs, namespace):
            return None
        try:
            held = conditions_hold(hook.matcher.conditions, attrs, self._authorizer)
        except ConditionError as error:
            self._metrics.condition_errors.inc("webhook", hook.name, attrs.operation, self._kind)
            if hook.ignore_failure:
                return None
            raise Forbidden.of(attrs.resource, attrs.named(), str(error)) from error
        if not held:
            self._metrics.condition_exclusions.inc("webhook", hook.name, attrs.operation, self._kind)
        return resource if held else None

    async def call(self, attrs: AdmissionAttributes, hook: Webhook, resource: Resource, place: str) -> Obj | None:
        """Ask a webhook; returns its response, None when its failure is to be ignored.

        Args:
            attrs: the request.
            hook: the webhook.
            resource: the version it wants the request in.
            place: `round_R_index_I`, for the audit log.

        Raises:
            APIError: it refuses, or failed with policy Fail.
        """
        if attrs.dry_run and hook.has_side_effects:
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        started = time.perf_counter()
        try:
            response = await self._ask(attrs, hook, resource)
        except CallFailedError as error:
            self._count(attrs, hook, started, 0 if hook.ignore_failure else 500, "calling_webhook_error")
            if hook.ignore_failure:
                self._metrics.webhook_fail_open.inc(hook.name, self._kind)
                attrs.audit[f"failed-open.{self._word}.webhook.admission.k8s.io/{place}"] = hook.name
                return None
            raise InternalError.of(f'failed calling webhook "{hook.name}": {error}') from error
        for text in response.get("warnings") or ():
            attrs.warnings.append(str(text))
        for key, value in (response.get("auditAnnotations") or {}).items():
            attrs.audit[f"{hook.name}/{key}"] = str(value)
        if not response.get("allowed"):
            refusal = denied(hook.name, response.get("status"))
            self._count(attrs, hook, started, refusal.code, "no_error")
            raise refusal
        self._count(attrs, hook, started, 0, "no_error")
        return response

    def _count(self, attrs: AdmissionAttributes, hook: Webhook, started: float, rejected: int, error: str) -> None:
        """Measure a call; `rejected` is the code of the refusal, 0 when there is none."""
        operation, refused = attrs.operation, "true" if rejected else "false"
        seconds = time.perf_counter() - started
        self._metrics.webhooks.observe(hook.name, operation, refused, self._kind, value=seconds)
        self._metrics.webhook_requests.inc(str(rejected or 200), hook.name, operation, refused, self._kind)
        if rejected or error != "no_error":
            code = "0" if error != "no_error" else str(min(rejected, 600))
            self._metrics.webhook_rejections.inc(error, hook.name, operation, code, self._kind)

    async def _ask(self, attrs: AdmissionAttributes, hook: Webhook, resource: Resource) -> Obj:
        uid = new_uid()
        request = request_object(attrs, resource, uid)
        request["object"] = await self.versions.convert(attrs.object, attrs.resource, resource)
        request["oldObject"] = await self.versions.convert(attrs.old_object, attrs.resource, resource)
        api_version = f"admission.k8s.io/{hook.version}"
        review = {"kind": "AdmissionReview", "apiVersion": api_version, "request": request}
        query = f"timeout={hook.timeout}s"
        try:
            answer = await self._client.post(hook.client_config, review, timeout=hook.timeout, query=query)
        except WebhookUnreachableError as error:
            raise CallFailedError(f"failed to call webhook: {error}") from error
        return checked(parse_answer(answer.status, answer.body), uid, api_version, mutating=self._kind == ADMIT)


class _WebhookPlugin:
    name = ""
    _client: WebhookClient

    async def close(self) -> None:
        """Close the connections to webhooks."""
        await self._client.close()

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """All requests, but for what configures admission itself."""
        del operation, subresource
        return group_resource not in EXEMPT


class MutatingAdmissionWebhook(_WebhookPlugin):
    """The mutating half."""

    name = "MutatingAdmissionWebhook"

    def __init__(self, services: PluginServices) -> None:
        self._client = WebhookClient(services.listers)
        self._dispatcher = Dispatcher(services, "mutating", self._client)

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Call the webhooks in order; on a second round those that ask for it, if others changed the object since."""
        hooks = self._dispatcher.hooks
        if not hooks:
            return
        for index, hook in enumerate(hooks):
            key = f"{hook.configuration}/{hook.name}"
            if attrs.second_round:
                seen = attrs.seen_by.get(key)
                if seen is None or not hook.reinvoke or seen == _snapshot(attrs.object):
                    continue
            resource = await self._dispatcher.wanted(attrs, hook)
            if resource is None:
                continue
            place = f"round_{int(attrs.second_round)}_index_{index}"
            response = await self._dispatcher.call(attrs, hook, resource, place)
            if response is not None:
                changed = bool(response.get("patch")) and await self._patch(attrs, hook, response, resource, place)
                _note(attrs, f"mutation.{_MARK}/{place}", hook, mutated=changed)
            if hook.reinvoke and not attrs.second_round:
                attrs.seen_by[key] = _snapshot(attrs.object)

    async def _patch(
        self, attrs: AdmissionAttributes, hook: Webhook, response: Obj, resource: Resource, place: str
    ) -> bool:
        """Apply a patch; tells whether it changed anything."""
        if attrs.object is None:
            raise InternalError.of(
                f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this '
                "operation"
            )
        try:
            operations = patch_operations(response["patch"])
        except ValueError as error:
            raise InternalError.of(f'failed to decode the patch of webhook "{hook.name}": {error}') from error
        versions = self._dispatcher.versions
        before = await versions.convert(attrs.object, attrs.resource, resource)
        try:
            after = json_patch.apply(before, operations)
        except APIError as error:
            raise InternalError.of(error.message) from error
        _note(attrs, f"patch.{_MARK}/{place}", hook, patch=operations, patchType="JSONPatch")
        if after == before:
            return False
        if not isinstance(after, dict):
            raise InternalError.of(f'the patch of webhook "{hook.name}" leaves no object')
        attrs.put(await versions.convert(after, resource, attrs.resource))
        return True


def _note(attrs: AdmissionAttributes, key: str, hook: Webhook, **told: Any) -> None:
    told = {"configuration": hook.configuration, "webhook": hook.name, **told}
    attrs.audit[key] = orjson.dumps(told).decode()


def _snapshot(obj: Obj | None) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)


class ValidatingAdmissionWebhook(_WebhookPlugin):
    """The validating half."""

    name = "ValidatingAdmissionWebhook"

    def __init__(self, services: PluginServices) -> None:
        self._client = WebhookClient(services.listers)
        self._dispatcher = Dispatcher(services, "validating", self._client)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Call all webhooks at once; the first refusal (in order) is the answer."""
        hooks = self._dispatcher.hooks
        if not hooks:
            return
        calls = []
        for index, hook in enumerate(hooks):
            resource = await self._dispatcher.wanted(attrs, hook)
            if resource is not None:
                calls.append(self._dispatcher.call(attrs, hook, resource, f"round_0_index_{index}"))
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
