"""The only place where an exception becomes an HTTP answer."""

from __future__ import annotations

import logging

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from apimachinery.errors import APIError, InternalError, RequestEntityTooLarge, ServiceUnavailable, Timeout
from apiserver.endpoints.exchange import add_warnings
from apiserver.endpoints.plain_error import PlainError
from apiserver.storage.errors import StorageUnavailableError
from component.logging import get_logger

_LOG = get_logger(__name__)


class ClientFaults(logging.Filter):
    """Keeps out of the log what clients do wrong in HTTP itself: they are told, and could fill the disk with it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be written."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def as_api_error(error: BaseException, path: str) -> APIError:
    """Return the API error an exception stands for; what nobody expected is logged and told as an internal error."""
    if isinstance(error, APIError):
        return error
    if isinstance(error, StorageUnavailableError):
        return ServiceUnavailable(f"the server is currently unable to handle the request: {error}")
    if isinstance(error, TimeoutError):
        return Timeout(
            "Timeout: request did not complete within requested timeout - context deadline exceeded", details={}
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return RequestEntityTooLarge("Request entity too large: limit is 3145728")
    if isinstance(error, RecursionError):
        return RequestEntityTooLarge("the object is nested too deeply")
    _LOG.exception("request failed", path=path)
    return InternalError(f"Internal error occurred: {type(error).__name__}")


def error_answer(error: BaseException, path: str, headers: dict[str, str], warnings: list[str]) -> web.Response:
    """Return the `Status` answer to a failed request."""
    if isinstance(error, PlainError):
        headers = {**headers, **error.headers, "Content-Type": "text/plain; charset=utf-8"}
        headers["X-Content-Type-Options"] = "nosniff"
        return web.Response(body=f"{error.text}\n".encode(), status=error.code, headers=headers)
    api_error = as_api_error(error, path)
    status = api_error.to_status()
    headers = {**headers, "Content-Type": "application/json"}
    retry = (status.get("details") or {}).get("retryAfterSeconds")
    if retry and api_error.code in (429, 503, 504):
        headers["Retry-After"] = str(retry)
    if api_error.code == 401:
        headers["WWW-Authenticate"] = 'Basic realm="kubernetes-master"'
    response = web.Response(body=orjson.dumps(status) + b"\n", status=api_error.code, headers=headers)
    add_warnings(response, warnings)
    return response
