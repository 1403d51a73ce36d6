"""What a resourceVersion parameter asks for."""

from __future__ import annotations

from apimachinery.errors import BadRequest, Timeout
from apiserver.endpoints.exchange import Exchange
from apiserver.storage.errors import StorageUnavailableError


def parse_version(text: str) -> int:
    """Return a resourceVersion as a number (0 for none); `BadRequest`."""
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


async def wait_for_version(exchange: Exchange, text: str) -> None:
    """Wait until the cache is as fresh as asked: unset means all acknowledged writes, 0 means anything."""
    cached = exchange.services.cached
    if not text:
        await cached.ensure_fresh()
        return
    wanted = parse_version(text)
    if wanted <= cached.revision:
        return
    try:
        await cached.ensure_fresh(wanted)
    except StorageUnavailableError as error:
        message = f"Too large resource version: {wanted}, current: {cached.revision}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        raise Timeout(f"Timeout: {message}", details={"causes": causes, "retryAfterSeconds": 1}) from error
