"""gRPC channels to unix sockets and TCP endpoints, with the limits of Kubernetes' wires."""

from typing import Any

import grpc.aio

MESSAGE_BYTES = 16 * 2**20
CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A unix socket's path is no host name that a server would accept as authority.
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_retries", 0),
)


def unix_channel(endpoint: str) -> grpc.aio.Channel:
    """A channel to `unix:///path` (a bare path is one, too)."""
    target = endpoint if endpoint.startswith("unix:") else f"unix://{endpoint}"
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
