"""One probe attempt: exec, httpGet, tcpSocket or grpc, as (verdict, output)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from kubelet.prober import grpc, http, tcp
from kubelet.runtime.client import CRIClient, RuntimeServiceError

Obj = dict[str, Any]


class Verdict(Enum):
    """Outcome of an attempt."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


async def attempt(client: CRIClient, probe: Obj, container: Obj, container_id: str, host: str) -> tuple[Verdict, str]:
    """Probe once."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    try:
        if probe.get("exec"):
            return await _exec(client, probe["exec"].get("command") or [], container_id, timeout)
        if probe.get("httpGet"):
            return await _http(probe["httpGet"], container, host, timeout)
        if probe.get("tcpSocket"):
            action = probe["tcpSocket"]
            error = await tcp.connect(action.get("host") or host, http.port_number(action["port"], container), timeout)
        elif probe.get("grpc"):
            error = await grpc.check(host, int(probe["grpc"]["port"]), probe["grpc"].get("service") or "", timeout)
        else:
            return Verdict.UNKNOWN, "missing probe handler"
    except http.HTTPProbeError as failed:
        return Verdict.FAILURE, str(failed)
    return (Verdict.FAILURE, error) if error else (Verdict.SUCCESS, "")


async def _exec(client: CRIClient, command: list[str], container_id: str, timeout: float) -> tuple[Verdict, str]:
    try:
        code, out, err = await client.exec_sync(container_id, command, timeout)
    except RuntimeServiceError as error:
        if error.code == "DEADLINE_EXCEEDED":
            return Verdict.FAILURE, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        return Verdict.UNKNOWN, str(error)
    text = (out + err).decode("utf-8", "replace")[: http.BODY_LIMIT]
    return (Verdict.SUCCESS if code == 0 else Verdict.FAILURE), text


async def _http(action: Obj, container: Obj, host: str, timeout: float) -> tuple[Verdict, str]:
    request = http.request_of(action, container, host, agent="kube-probe/1.36")
    status, body = await http.fetch(request, timeout)
    if 200 <= status < 400:
        return Verdict.SUCCESS, body
    return Verdict.FAILURE, f"HTTP probe failed with statuscode: {status}"
