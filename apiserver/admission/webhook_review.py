"""AdmissionReview as webhooks answer it: what a usable answer is, and what a refusal becomes (pure)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import orjson

from apimachinery.errors import APIError, from_status
from apimachinery.objects.metadata import Obj

API_VERSIONS = ("v1", "v1beta1")


# field of a response -> its type, and that of what it holds
_FIELDS: Final[dict[str, tuple[type, type | None]]] = {
    "uid": (str, None),
    "allowed": (bool, None),
    "status": (dict, None),
    "patch": (str, None),
    "patchType": (str, None),
    "auditAnnotations": (dict, str),
    "warnings": (list, str),
}


class CallFailedError(Exception):
    """A webhook could not be asked, or gave no usable answer; the failure policy decides."""


def denied(name: str, result: Obj | None) -> APIError:
    """Return the error for a refusal."""
    status = dict(result or {})
    start = f'admission webhook "{name}" denied the request'
    if status.get("message"):
        status["message"] = f"{start}: {status['message']}"
    elif status.get("reason"):
        status["message"] = f"{start}: {status['reason']}"
    else:
        status["message"] = f"{start} without explanation"
    code = status.get("code")
    status["code"] = max(code if isinstance(code, int) else 0, 400)
    status["status"] = "Failure"
    return from_status(status)


def parse_answer(status: int, body: bytes) -> Any:
    """Return the JSON of an HTTP answer; `CallFailedError`."""
    if status == 404:
        raise CallFailedError("failed to call webhook: the server could not find the requested resource")
    if status != 200:
        told = body.decode(errors="replace").strip()[:512]
        raise CallFailedError(
            f'failed to call webhook: an error on the server ("{told}") has prevented the request from succeeding'
        )
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise CallFailedError(
            f"failed to call webhook: couldn't get version/kind; json parse error: {error}"
        ) from error


def _invalid(why: str) -> CallFailedError:
    return CallFailedError(f"received invalid webhook response: {why}")


def checked(body: Any, uid: str, api_version: str, *, mutating: bool) -> Obj:
    """Return `response` of an AdmissionReview; `CallFailedError` when it breaks the protocol."""
    got = body if isinstance(body, dict) else {}
    if got.get("kind") != "AdmissionReview" or got.get("apiVersion") != api_version:
        raise _invalid(
            f"expected webhook response of {api_version}, Kind=AdmissionReview, "
            f"got {got.get('apiVersion', '')}, Kind={got.get('kind', '')}"
        )
    response = got.get("response")
    if not isinstance(response, dict):
        raise _invalid("webhook response was absent")
    for field, (wanted, item) in _FIELDS.items():
        value = response.get(field)
        if value is None:
            continue
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not isinstance(value, wanted) or (item is not None and not all(isinstance(one, item) for one in items)):
            raise CallFailedError(
                f"failed to call webhook: json: cannot unmarshal into Go struct field AdmissionResponse.{field}"
            )
    if api_version.endswith("/v1"):
        _check_v1(response, uid, mutating=mutating)
    return response


def _check_v1(response: Obj, uid: str, *, mutating: bool) -> None:
    if response.get("uid") != uid:
        raise _invalid(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        if patch:
            raise _invalid("validating webhook may not return response.patch")
        if kind is not None:
            raise _invalid("validating webhook may not return response.patchType")
        return
    if patch and kind is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    if kind is not None and not patch:
        raise _invalid("webhook returned response.patchType but not response.patch")
    if kind == "":
        raise _invalid('webhook returned invalid response.patchType of ""')
    if kind is not None and kind != "JSONPatch":
        raise CallFailedError(f'unsupported patch type "{kind}"')


def patch_operations(encoded: Any) -> Any:
    """Return the operations of a response's patch; ValueError."""
    try:
        return orjson.loads(base64.b64decode(encoded))
    except (TypeError, binascii.Error) as error:
        raise ValueError(str(error)) from error
