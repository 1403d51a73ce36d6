"""etcd v3 over `grpc.aio`, with the stubs that `aetcd` carries.

The only file that knows etcd's protocol. Each call has a deadline within which it waits for the server to be there;
then it raises `StorageUnavailableError`. The channel reconnects by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
from aetcd import rpc

from apiserver.storage.errors import (
    KeyChangedError,
    KeyExistsError,
    RevisionCompactedError,
    StorageError,
    StorageUnavailableError,
)
from apiserver.storage.interface import Change, ChangeBatch, KeyValue, Page

_DEADLINE = 10.0
_EOF: Any = getattr(grpc.aio, "EOF")  # noqa: B009 - missing in the stubs
_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),  # this is also how long a connection attempt may take
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.keepalive_time_ms", 30000),
    ("grpc.keepalive_timeout_ms", 10000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_http_proxy", 0),
)


def _range_end(prefix: bytes) -> bytes:
    """Return the first key after all keys with the prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _mapped(error: grpc.aio.AioRpcError) -> StorageError:
    details = error.details() or ""
    if "compacted" in details:
        return RevisionCompactedError(details)
    return StorageUnavailableError(f"etcd: {error.code().name}: {details}")


def open_channel(servers: tuple[str, ...], ca_file: str, cert_file: str, key_file: str) -> grpc.aio.Channel:
    """Open a channel to an etcd cluster; TLS when any endpoint is https."""
    parts = [urlsplit(server if "://" in server else f"http://{server}") for server in servers]
    targets = [part.netloc for part in parts]
    target = targets[0] if len(targets) == 1 else "ipv4:" + ",".join(targets)
    if not any(part.scheme == "https" for part in parts):
        return grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        Path(ca_file).read_bytes() if ca_file else None,
        Path(key_file).read_bytes() if key_file else None,
        Path(cert_file).read_bytes() if cert_file else None,
    )
    return grpc.aio.secure_channel(target, credentials, options=_CHANNEL_OPTIONS)


class EtcdStorage:
    """`apiserver.storage.interface.Storage` on an etcd cluster."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._kv = rpc.KVStub(channel)
        self._watch = rpc.WatchStub(channel)
        self._lease = rpc.LeaseStub(channel)

    async def _call(self, method: Any, request: Any) -> Any:
        try:
            return await method(request, timeout=_DEADLINE, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise _mapped(error) from error

    async def get(self, key: str) -> KeyValue | None:
        """Return the latest value of a key, or None."""
        answer = await self._call(self._kv.Range, rpc.RangeRequest(key=key.encode()))
        if not answer.kvs:
            return None
        found = answer.kvs[0]
        return KeyValue(key, found.value, found.mod_revision)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return keys under a prefix from `start` on, at a revision (0: latest)."""
        end = _range_end(prefix.encode())
        request = rpc.RangeRequest(key=(start or prefix).encode(), range_end=end, limit=limit, revision=revision)
        answer = await self._call(self._kv.Range, request)
        items = [KeyValue(kv.key.decode(), kv.value, kv.mod_revision) for kv in answer.kvs]
        remaining = max(0, answer.count - len(items)) if answer.more else 0
        start_of_next = items[-1].key + "\0" if remaining else ""
        return Page(items, revision or answer.header.revision, remaining, start_of_next)

    async def create(self, key: str, value: bytes, *, lease: int = 0) -> int:
        """Write a new key and return the revision."""
        raw = key.encode()
        request = rpc.TxnRequest(
            compare=[rpc.Compare(target=rpc.Compare.MOD, key=raw, result=rpc.Compare.EQUAL, mod_revision=0)],
            success=[rpc.RequestOp(request_put=rpc.PutRequest(key=raw, value=value, lease=lease))],
        )
        answer = await self._call(self._kv.Txn, request)
        if not answer.succeeded:
            raise KeyExistsError(key)
        return int(answer.header.revision)

    async def guarded_update(self, key: str, value: bytes, revision: int, *, lease: int = 0) -> int:
        """Replace a value last written at `revision`."""
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=key.encode(), value=value, lease=lease))
        return await self._guarded(key, revision, put)

    async def guarded_delete(self, key: str, revision: int) -> int:
        """Delete a key last written at `revision`."""
        delete = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key.encode()))
        return await self._guarded(key, revision, delete)

    async def _guarded(self, key: str, revision: int, operation: Any) -> int:
        raw = key.encode()
        request = rpc.TxnRequest(
            compare=[rpc.Compare(target=rpc.Compare.MOD, key=raw, result=rpc.Compare.EQUAL, mod_revision=revision)],
            success=[operation],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=raw))],
        )
        answer = await self._call(self._kv.Txn, request)
        if answer.succeeded:
            return int(answer.header.revision)
        found = answer.responses[0].response_range.kvs
        raise KeyChangedError(KeyValue(key, found[0].value, found[0].mod_revision) if found else None)

    async def watch(self, prefix: str, revision: int) -> AsyncIterator[ChangeBatch]:
        """Yield changes from `revision` on, for ever; first none, when the watch has begun."""
        raw = prefix.encode()
        create = rpc.WatchCreateRequest(
            key=raw, range_end=_range_end(raw), start_revision=revision, progress_notify=True
        )
        call = self._watch.Watch(wait_for_ready=True)
        try:
            await call.write(rpc.WatchRequest(create_request=create))
            while True:
                answer = await call.read()
                if answer is _EOF:
                    raise StorageUnavailableError("etcd: watch ended")
                if answer.compact_revision:
                    raise RevisionCompactedError(f"compacted at {answer.compact_revision}")
                if answer.canceled:
                    raise StorageUnavailableError(f"etcd: watch canceled: {answer.cancel_reason}")
                changes = [
                    Change(event.kv.key.decode(), event.kv.value if event.type == 0 else None, event.kv.mod_revision)
                    for event in answer.events
                ]
                if changes:
                    yield ChangeBatch(changes, changes[-1].revision)
                else:
                    yield ChangeBatch([], revision - 1 if answer.created else answer.header.revision)
        except grpc.aio.AioRpcError as error:
            raise _mapped(error) from error
        except asyncio.InvalidStateError as error:
            raise StorageUnavailableError("etcd: watch broken") from error
        finally:
            call.cancel()

    def is_stale(self, key: str) -> bool:
        """Values are kept as they are given."""
        del key
        return False

    async def current_revision(self) -> int:
        """Return the store's latest revision."""
        answer = await self._call(self._kv.Range, rpc.RangeRequest(key=b"\0", count_only=True))
        return int(answer.header.revision)

    async def compact(self, revision: int) -> None:
        """Drop history before a revision."""
        try:
            await self._call(self._kv.Compact, rpc.CompactionRequest(revision=revision))
        except RevisionCompactedError:
            return

    async def grant_lease(self, seconds: int) -> int:
        """Return a new lease."""
        return int((await self._call(self._lease.LeaseGrant, rpc.LeaseGrantRequest(TTL=seconds, ID=0))).ID)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close(grace=None)
