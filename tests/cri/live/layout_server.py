"""A registry in Python that serves OCI layouts, counts what it is asked for and can fall silent in a blob."""

from __future__ import annotations

import collections
import http.server
import json
import threading
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class LayoutServer:
    """Images by name, each a layout; every tag means its only manifest."""

    def __init__(self) -> None:
        self.layouts: dict[str, Path] = {}
        self.asked: collections.Counter[str] = collections.Counter()
        self.silent: set[str] = set()  # digests of blobs that stop in the middle
        self.reached = threading.Event()
        self._end = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the library's word
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                outer._answer(self)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        parts = request.path.split("?")[0].strip("/").split("/")
        if parts == ["v2"]:
            self._send(request, 200, b"{}", "application/json")
            return
        name, kind, reference = "/".join(parts[1:-2]), parts[-2], parts[-1]
        layout = self.layouts.get(name)
        if layout is None:
            error = {"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}
            self._send(request, 404, json.dumps(error).encode(), "application/json")
            return
        self.asked[reference] += 1
        if kind == "manifests" and not reference.startswith("sha256:"):
            reference = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        path = layout / "blobs/sha256" / reference.removeprefix("sha256:")
        if not path.exists():
            self._send(request, 404, b'{"errors": [{"code": "BLOB_UNKNOWN"}]}', "application/json")
            return
        data = path.read_bytes()
        if kind == "blobs":
            self._send(request, 200, data, "application/octet-stream", silent=reference in self.silent)
            return
        kind = json.loads(data).get("mediaType") or (INDEX if b'"manifests"' in data else MANIFEST)
        self._send(request, 200, data, kind, digest=reference)

    def _send(
        self,
        request: http.server.BaseHTTPRequestHandler,
        code: int,
        data: bytes,
        kind: str,
        *,
        digest: str = "",
        silent: bool = False,
    ) -> None:
        request.send_response(code)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        if digest:
            request.send_header("Docker-Content-Digest", digest)
        request.end_headers()
        if request.command == "HEAD":
            return
        if silent:
            request.wfile.write(data[: len(data) // 2])
            request.wfile.flush()
            self.reached.set()
            self._end.wait()
            request.close_connection = True
            return
        request.wfile.write(data)

    def add(self, name: str, layout: Path) -> str:
        """Serve a layout; returns the full name of its image."""
        self.layouts[name] = layout
        return f"{self.host}/{name}:1"

    def close(self) -> None:
        """End it, and all silence."""
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
