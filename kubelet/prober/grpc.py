"""gRPC health probes (grpc.health.v1.Health/Check); its two messages are small enough to be coded by hand."""

from __future__ import annotations

import grpc

SERVING = 1


def _request(service: str) -> bytes:
    name = service.encode()
    return b"\x0a" + bytes([len(name)]) + name if name else b""


def _status(answer: bytes) -> int:
    return answer[1] if len(answer) > 1 and answer[0] == 0x08 else 0


async def check(host: str, port: int, service: str, timeout: float) -> str:
    """Ask; returns an empty string or why it failed."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    async with grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(
            "/grpc.health.v1.Health/Check", request_serializer=_request, response_deserializer=_status
        )
        try:
            status = await call(service, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                return f"{text}: {error.details()}"
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return f'timeout: failed to connect service "{target}" within {timeout:g}s: {error.details()}'
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return f"timeout: health rpc did not complete within {timeout}s: {error.details()}"
            return f"error: health rpc probe failed: {error.details()}"
    return "" if status == SERVING else f'service unhealthy (responded with "{status}")'
