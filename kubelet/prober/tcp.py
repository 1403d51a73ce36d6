"""TCP probes."""

from __future__ import annotations

import asyncio
import contextlib
import os


def reason(error: OSError) -> str:
    """The kernel's word for it, as Go prints it; asyncio hides it behind its own text."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def connect(host: str, port: int, timeout: float) -> str:
    """Open a connection; returns an empty string or why it failed."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout)
    except TimeoutError:
        return f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return f"dial tcp {host}:{port}: connect: {reason(error)}"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""
