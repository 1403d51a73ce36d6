"""HTTP requests of probes and hooks: one request, no keep-alive, certificates not verified, as upstream does."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from kubelet.prober import tcp

Obj = dict[str, Any]

BODY_LIMIT = 10 * 1024


class HTTPProbeError(Exception):
    """The request could not be made."""


@dataclass(frozen=True, slots=True)
class Request:
    """One GET."""

    url: str
    headers: tuple[tuple[str, str], ...]


def port_number(port: Any, container: Obj) -> int:
    """A port by number or by the container's name for it.

    Raises:
        HTTPProbeError: there is none.
    """
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for item in container.get("ports") or ():
        if item.get("name") == port:
            return int(item["containerPort"])
    raise HTTPProbeError(f"couldn't find port: {port} in container {container.get('name')}")


def request_of(action: Obj, container: Obj, host: str, *, agent: str) -> Request:
    """The request an httpGet action means."""
    scheme = (action.get("scheme") or "HTTP").lower()
    target = action.get("host") or host
    if ":" in target and not target.startswith("["):
        target = f"[{target}]"
    path = action.get("path") or "/"
    path = path if path.startswith("/") else f"/{path}"
    headers = [(h["name"], h.get("value") or "") for h in action.get("httpHeaders") or ()]
    present = {name.lower() for name, _ in headers}
    if "user-agent" not in present:
        headers.append(("User-Agent", agent))
    if "accept" not in present:
        headers.append(("Accept", "*/*"))
    return Request(f"{scheme}://{target}:{port_number(action['port'], container)}{path}", tuple(headers))


async def fetch(request: Request, timeout: float) -> tuple[int, str]:
    """Send it; returns status and the beginning of the body. Redirects to other hosts count as success (status 3xx).

    Raises:
        HTTPProbeError: no answer.
    """
    import aiohttp
    import yarl

    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    connector = aiohttp.TCPConnector(force_close=True, ssl=unverified if request.url.startswith("https") else False)
    limits = aiohttp.ClientTimeout(total=timeout)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=limits, auto_decompress=False) as session:
            url = yarl.URL(request.url, encoded=True)
            for _ in range(10):
                async with session.get(url, headers=list(request.headers), allow_redirects=False) as answer:
                    body = (await answer.content.read(BODY_LIMIT)).decode("utf-8", "replace")
                    location = answer.headers.get("Location")
                    if answer.status not in {301, 302, 303, 307, 308} or not location:
                        return answer.status, body
                    following = url.join(yarl.URL(location))
                    if following.host != url.host:
                        return answer.status, body
                    url = following
            raise HTTPProbeError("stopped after 10 redirects")
    except TimeoutError as error:
        raise HTTPProbeError(
            f'Get "{request.url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        ) from error
    except aiohttp.ClientConnectorError as error:
        why = tcp.reason(error.os_error)
        raise HTTPProbeError(f'Get "{request.url}": dial tcp {error.host}:{error.port}: connect: {why}') from error
    except (aiohttp.ClientError, OSError) as error:
        raise HTTPProbeError(f'Get "{request.url}": {str(error) or type(error).__name__}') from error
