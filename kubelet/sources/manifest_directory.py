"""Static pods from a directory of manifests, watched through inotify with a slow rescan as a safety net."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from component.logging import get_logger
from kubelet.pod_workers import PodWorkers
from kubelet.sources.mirror_pods import HASH, SOURCE, MirrorPods
from linux import inotify

Obj = dict[str, Any]

log = get_logger("kubelet.static")


def static_pod(manifest: Obj, path: str, node: str) -> Obj:
    """A manifest as a pod of this node: name suffix, UID from content, defaults."""
    from apimachinery.apis.registry import apply_defaults

    pod: Obj = json.loads(json.dumps(manifest))
    meta = pod.setdefault("metadata", {})
    digest = hashlib.md5(
        f"{node}\0{path}\0{json.dumps(manifest, sort_keys=True)}".encode(), usedforsecurity=False
    ).hexdigest()
    meta["uid"] = meta.get("uid") or digest
    meta["name"] = f"{meta['name']}-{node.lower()}"
    meta["namespace"] = meta.get("namespace") or "default"
    annotations = meta.setdefault("annotations", {})
    annotations |= {HASH: digest, SOURCE: "file"}
    pod["apiVersion"], pod["kind"] = "v1", "Pod"
    pod.pop("status", None)
    apply_defaults("v1", "Pod", pod)
    spec = pod["spec"]
    spec["nodeName"] = node
    tolerations = spec.setdefault("tolerations", [])
    if not any(t.get("operator") == "Exists" and t.get("effect") == "NoExecute" for t in tolerations):
        tolerations.append({"operator": "Exists", "effect": "NoExecute"})
    pod["status"] = {"phase": "Pending"}
    return pod


def read_directory(directory: Path, node: str) -> dict[str, Obj]:
    """All static pods by namespace/name; a bad file is reported and skipped."""
    import yaml

    found: dict[str, Obj] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            manifest = yaml.safe_load(path.read_text())
            if not isinstance(manifest, dict) or manifest.get("kind") != "Pod":
                raise ValueError("not a Pod")
            pod = static_pod(manifest, str(path), node)
        except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
            log.info("cannot use static pod manifest", path=str(path), error=str(error))
            continue
        found[f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"] = pod
    return found


class ManifestDirectory:
    """Feeds static pods to their workers."""

    def __init__(self, directory: Path, node: str, workers: PodWorkers, mirrors: MirrorPods, rescan: float) -> None:
        self._directory = directory
        self._node = node
        self._workers = workers
        self._mirrors = mirrors
        self._rescan = rescan
        self._held: dict[str, Obj] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Read now and on every change, for ever."""
        watch = self._watch()
        try:
            while True:
                self._read()
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), self._rescan)
                except TimeoutError:
                    continue
        finally:
            if watch is not None:
                watch()

    def _watch(self) -> Callable[[], None] | None:
        """Wake on changes of the directory; returns what ends it."""
        watcher = inotify.Inotify()
        mask = inotify.IN_CLOSE_WRITE | inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO | inotify.IN_DELETE
        try:
            watcher.add_watch(str(self._directory), mask)
        except OSError:
            watcher.close()
            return None
        loop = asyncio.get_running_loop()

        def readable() -> None:
            watcher.read()
            self._changed.set()

        loop.add_reader(watcher.fd, readable)

        def close() -> None:
            loop.remove_reader(watcher.fd)
            watcher.close()

        return close

    def _read(self) -> None:
        fresh = read_directory(self._directory, self._node)
        wanted = {pod["metadata"]["uid"] for pod in fresh.values()}
        for pod in self._held.values():
            if pod["metadata"]["uid"] not in wanted:
                self._workers.removed(pod["metadata"]["uid"])
        have = {pod["metadata"]["uid"] for pod in self._held.values()}
        for pod in fresh.values():
            if pod["metadata"]["uid"] not in have:
                self._workers.update(pod)
        self._held = fresh
        self._mirrors.set_statics(fresh)
