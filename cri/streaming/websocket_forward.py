"""Port-forward over a WebSocket's channels (``v4.channel.k8s.io``): two channels per port, its data and its errors.

The ports are known before the upgrade. Each channel begins with the port's number in two bytes, little end first. There
is no half-close: the end of the pod's side of a port ends both directions of it, and the last one ends the connection.
"""

import asyncio
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from cri.streaming.channels import Channel
from cri.streaming.websocket_connection import WebSocketConnection

_GOODBYE = 5.0
Run = Callable[[int, Channel, Channel], Coroutine[Any, Any, None]]


def channel_numbers(ports: list[int]) -> dict[str, int]:
    """The channels of some ports by name."""
    numbers = {f"data{index}": 2 * index for index in range(len(ports))}
    return numbers | {f"error{index}": 2 * index + 1 for index in range(len(ports))}


async def serve(connection: WebSocketConnection, ports: list[int], run: Run) -> None:
    """Forward until every port is done or the client has gone.

    Raises:
        WebSocketError: the client broke the protocol.
    """
    for index, port in enumerate(ports):
        for kind in ("data", "error"):
            await connection.channels[f"{kind}{index}"].write(struct.pack("<H", port))
    async with asyncio.TaskGroup() as group:
        pump = group.create_task(connection.run())
        forwards = [
            group.create_task(run(port, connection.channels[f"data{index}"], connection.channels[f"error{index}"]))
            for index, port in enumerate(ports)
        ]
        await asyncio.wait(forwards)
        await connection.go_away()
        await asyncio.wait({pump}, timeout=_GOODBYE)
        pump.cancel()
