"""A small HTTPS server in a thread, behind a Service: a webhook or an extension API server for live tests."""

from __future__ import annotations

import base64
import json
import queue
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from component.certificates import CertificateAuthority


def own_address():
    """An address of this machine that endpoints may have, which a loopback address is not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            return probe.getsockname()[0]
        except OSError:  # no route
            return socket.gethostbyname(socket.gethostname())


class ExtensionServer:
    """Serves until closed; `answer(method, path, body, headers)` gives (status, object).

    Upgrades are accepted: what is sent then comes back in capitals, until "QUIT". A path that ends in `watch=1` gets
    one event for each that is put into `events`, None ends it. A status in the 300s gets the object as its Location.
    """

    def __init__(self, directory, name, answer, client_ca=None):
        authority = CertificateAuthority.create("extension-ca")
        self.address = own_address()
        cert, key = authority.issue(name, dns=(f"{name}.default.svc",), ips=(self.address,), usage="server")
        (directory / "tls.crt").write_bytes(cert)
        (directory / "tls.key").write_bytes(key)
        self.bundle = base64.b64encode(authority.certificate_pem).decode()
        self.name = name
        self.seen = []
        self.events = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parsed = json.loads(body) if body else None
                outer.seen.append((self.command, self.path, parsed, self.headers, self.connection.getpeercert()))
                if "upgrade" in self.headers.get("Connection", "").lower():
                    self._upgrade()
                    return
                if self.path.endswith("watch=1"):
                    self._watch()
                    return
                status, answered = answer(self.command, self.path, parsed, self.headers)
                data = json.dumps(answered).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", answered)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _upgrade(self):
                self.send_response(101)
                self.send_header("Connection", "Upgrade")
                self.send_header("Upgrade", self.headers["Upgrade"])
                self.end_headers()
                self.close_connection = True
                while (data := self.connection.recv(65536)) and data != b"quit":
                    self.connection.sendall(data.upper())

            def _watch(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while (event := outer.events.get()) is not None:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names of BaseHTTPRequestHandler

        self._server = ThreadingHTTPServer((self.address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, api, port=443):
        """Make the Service and its EndpointSlice in namespace default."""
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name},
            "spec": {"ports": [{"port": port, "targetPort": self.port}]},
        }
        assert api.json("POST", "/api/v1/namespaces/default/services", service)[0] == 201
        labels = {"kubernetes.io/service-name": self.name}
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": self.name, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [self.address], "conditions": {"ready": True}}],
            "ports": [{"name": "", "port": self.port, "protocol": "TCP"}],
        }
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        assert api.json("POST", slices, slice_)[0] == 201

    def close(self):
        self._server.shutdown()
        self._server.server_close()
