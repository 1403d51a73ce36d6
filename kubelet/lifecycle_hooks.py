"""postStart and preStop handlers: exec, httpGet, sleep."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.prober import http
from kubelet.runtime.client import CRIClient, RuntimeServiceError

Obj = dict[str, Any]


class HookError(Exception):
    """A hook failed."""


class LifecycleHooks:
    """Runs hooks of running containers."""

    def __init__(self, client: CRIClient) -> None:
        self._client = client

    async def run(self, handler: Obj, container: Obj, container_id: str, host: str, timeout: float = 0) -> None:
        """Run one handler to its end.

        Raises:
            HookError: it failed.
        """
        if handler.get("exec"):
            await self._exec(handler["exec"].get("command") or [], container_id, timeout)
        elif handler.get("httpGet"):
            await _http(handler["httpGet"], container, host, timeout)
        elif handler.get("sleep"):
            await asyncio.sleep(handler["sleep"]["seconds"])
        else:
            raise HookError("invalid handler: no handler specified")

    async def _exec(self, command: list[str], container_id: str, timeout: float) -> None:
        try:
            code, out, err = await self._client.exec_sync(container_id, command, timeout)
        except RuntimeServiceError as error:
            raise HookError(str(error)) from error
        if code != 0:
            text = (out + err).decode("utf-8", "replace")
            raise HookError(
                f"command '{' '.join(command)}' exited with {code}: {err.decode('utf-8', 'replace')}, message: {text!r}"
            )


async def _http(action: Obj, container: Obj, host: str, timeout: float) -> None:
    request = http.request_of(action, container, host, agent="kube-lifecycle/1.36")
    try:
        await http.fetch(request, timeout or 60)
    except http.HTTPProbeError as error:
        raise HookError(str(error)) from error
