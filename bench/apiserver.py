"""What the API server costs: CPU time of the server process per operation, against DESIGN section 4.

    .venv/bin/python bench/apiserver.py [--pods 2000] [--quick] [--many 20000]

Starts its own etcd and server (`run_apiserver.Pair`), fills it with pods of upstream-like size, then measures GET,
LIST, label-selected LIST, CREATE with 50 watchers, PATCH, the memory afterwards, and what 1,000 idle watches add to
it. With `--many`, GET, CREATE and a label-selected LIST once more with so many objects stored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from run_apiserver import Pair

TICK = os.sysconf("SC_CLK_TCK")
LIMITS = {"get": 0.3, "list 1000": 20.0, "list by label 100/1000": 3.0, "create, 50 watchers": 2.5, "patch": 2.5}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (scheduler's nanoseconds summed over threads where told)."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Connection:
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._port, self._tls = port, tls

    async def open(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls, limit=2**24)
        return self

    async def request(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nUser-Agent: bench/1\r\n"
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        length = next(int(line[15:]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        data = await self._reader.readexactly(length)
        if status >= 400:
            raise RuntimeError(data.decode())
        return data

    async def watch(self, path: str, seen: list[int]) -> None:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while True:
            data = await self._reader.read(2**20)
            if not data:
                return
            seen[0] += data.count(b'{"type":')


def pod(index: int) -> bytes:
    """A pod as kubelets and controllers make them: about 3.3 kB once stored."""
    env = [{"name": f"VARIABLE_{number}", "value": f"value-{number}-of-the-pod"} for number in range(12)]
    container = {
        "name": "main",
        "image": "registry.example.com/team/application:v1.2.3",
        "env": env,
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
    }
    labels = {"app": f"app-{index % 10}", "pod-template-hash": "5d5f8c7b9d"}
    metadata = {"name": f"pod-{index:05d}", "labels": labels, "annotations": {"note": "x" * 200}}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    return json.dumps(obj).encode()


class Bench:
    """The measurements."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.pid = pair.server.pid  # type: ignore[union-attr]
        self.tls = ssl.create_default_context(cafile=str(pair.certs / "ca.crt"))
        self.tls.load_cert_chain(pair.certs / "admin.crt", pair.certs / "admin.key")
        self.results: dict[str, float] = {}

    async def connections(self, count: int) -> list[Connection]:
        return [await Connection(self.pair.port, self.tls).open() for _ in range(count)]

    async def measure(self, name: str, count: int, work: Callable[[int], Awaitable[object]], lanes: int) -> None:
        queue = iter(range(count))

        async def lane() -> None:
            for index in queue:
                await work(index)

        before, started = cpu_seconds(self.pid), time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(lanes)))
        cpu, wall = cpu_seconds(self.pid) - before, time.perf_counter() - started
        self.results[name] = cpu / count * 1000
        limit = LIMITS.get(name)
        note = f"(limit {limit})" if limit else ""
        print(f"{name:28s} {cpu / count * 1000:8.3f} ms CPU  {wall / count * 1000:8.3f} ms wall {note}", flush=True)

    async def run(self, pods: int, rounds: int) -> None:
        base = "/api/v1/namespaces/default/pods"
        lanes = await self.connections(16)
        free = list(lanes)

        async def use(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
            connection = free.pop()
            try:
                return await connection.request(method, path, body, kind)
            finally:
                free.append(connection)

        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await use("POST", "/api/v1/namespaces/default/serviceaccounts", json.dumps(account).encode())
        print(f"idle memory {pss_mb(self.pid):.1f} MB PSS")
        await self.measure("create, no watchers", 1000, lambda index: use("POST", base, pod(index)), 8)
        size = len(await use("GET", f"{base}/pod-00001"))
        print(f"one pod is {size} bytes")
        await self.measure("get", 2000 * rounds, lambda index: use("GET", f"{base}/pod-{index % 1000:05d}"), 16)
        await self.measure("list 1000", 20 * rounds, lambda _: use("GET", base), 1)
        label = f"{base}?labelSelector=app%3Dapp-3"
        await self.measure("list by label 100/1000", 50 * rounds, lambda _: use("GET", label), 1)
        patch = b'{"metadata":{"annotations":{"round":"%d"}},"spec":{"containers":[{"name":"main","image":"i:%d"}]}}'
        kind = "application/strategic-merge-patch+json"
        await self.measure(
            "patch",
            300 * rounds,
            lambda index: use("PATCH", f"{base}/pod-{index % 1000:05d}", patch % (index, index), kind),
            4,
        )
        await self.measure("create, 1000 stored", pods - 1500, lambda index: use("POST", base, pod(1000 + index)), 4)
        seen = [0]
        watchers = await self.connections(50)
        version = json.loads(await use("GET", f"{base}?limit=1"))["metadata"]["resourceVersion"]
        path = f"{base}?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
        tasks = [asyncio.ensure_future(one.watch(path, seen)) for one in watchers]
        await asyncio.sleep(1.5)
        start, expected = seen[0], 500 * 50
        await self.measure("create, 50 watchers", 500, lambda index: use("POST", base, pod(pods - 500 + index)), 4)
        await asyncio.sleep(0.5)
        print(f"events delivered {seen[0] - start} of {expected}")
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0.5)
        self.results["memory MB"] = pss_mb(self.pid)
        print(f"memory with {pods} pods {self.results['memory MB']:.1f} MB PSS (limit 120)")
        version = json.loads(await use("GET", f"{base}?limit=1"))["metadata"]["resourceVersion"]
        path = f"{base}?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
        await self.idle_watches("client certificates", self.tls, path, "")
        self.pair.server.terminate()  # type: ignore[union-attr]
        self.pair.server.wait()  # type: ignore[union-attr]
        self.pair.start_server()
        self.pair.wait_ready()
        self.pid = self.pair.server.pid  # type: ignore[union-attr]
        free[:] = await self.connections(4)
        for index in range(100):
            await use("GET", f"{base}/pod-{index:05d}")
        account_path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        token = json.loads(await use("POST", account_path, b'{"spec": {}}'))["status"]["token"]
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
        }
        bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        await use("POST", bindings, json.dumps(binding).encode())
        plain = ssl.create_default_context(cafile=str(self.pair.certs / "ca.crt"))
        await self.idle_watches("bearer tokens", plain, path, f"Authorization: Bearer {token}\r\n")

    async def idle_watches(self, name: str, tls: ssl.SSLContext, path: str, header: str) -> None:
        """What watches that say nothing cost, one connection each."""
        request = f"GET {path} HTTP/1.1\r\nHost: a\r\n{header}\r\n".encode()

        async def one() -> asyncio.StreamWriter:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.pair.port, ssl=tls)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            return writer

        before = pss_mb(self.pid)
        writers = [writer for _ in range(20) for writer in await asyncio.gather(*(one() for _ in range(50)))]
        await asyncio.sleep(0.5)
        print(f"1,000 idle watches with {name} {pss_mb(self.pid) - before:.1f} MB (limit 20)")
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.5)

    async def many(self, count: int) -> None:
        """Whether costs grow with what is stored."""
        base = "/api/v1/namespaces/many/configmaps"
        free = await self.connections(8)

        async def use(method: str, path: str, obj: object = None) -> bytes:
            connection = free.pop()
            try:
                return await connection.request(method, path, json.dumps(obj).encode() if obj else b"")
            finally:
                free.append(connection)

        def config(index: int) -> dict[str, object]:
            labels = {"app": f"app-{index % (count // 100)}"}
            return {"metadata": {"name": f"c-{index:06d}", "labels": labels}, "data": {"key": "x" * 400}}

        await use("POST", "/api/v1/namespaces", {"metadata": {"name": "many"}})
        stored = 0
        for size in (200, count):
            await self.measure(
                f"(fill to {size})",
                size - stored,
                lambda index, start=stored: use("POST", base, config(start + index)),
                8,
            )
            stored = size
            await self.measure(
                f"get, {size} stored", 4000, lambda index, n=size: use("GET", f"{base}/c-{index % n:06d}"), 8
            )
            await self.measure(
                f"create, {size} stored", 500, lambda index, n=size: use("POST", base, config(n + index)), 4
            )
            for index in range(500):
                await use("DELETE", f"{base}/c-{size + index:06d}")
            await self.measure(
                f"list 100 by label, {size}", 50, lambda _: use("GET", f"{base}?labelSelector=app=app-1"), 1
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--many", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        pair = Pair(Path(directory))
        try:
            pair.start()
            print(f"ready after {pair.wait_ready():.2f} s")
            bench = Bench(pair)
            if chosen.many:
                asyncio.run(bench.many(chosen.many))
            else:
                asyncio.run(bench.run(chosen.pods, 1 if chosen.quick else 3))
        finally:
            pair.stop()


if __name__ == "__main__":
    main()
