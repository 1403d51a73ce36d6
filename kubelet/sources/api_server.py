"""Pods of this node from the API server."""

from __future__ import annotations

from typing import Any

from apimachinery.client.informer import Event, Informer, InformerFactory
from kubelet.pod_workers import PodWorkers
from kubelet.sources.mirror_pods import MirrorPods, is_mirror

Obj = dict[str, Any]


def watch(factory: InformerFactory, node: str, workers: PodWorkers, mirrors: MirrorPods) -> Informer:
    """Hand every pod bound to the node to its worker, and mirror pods to their keeper."""

    def handle(event: Event) -> None:
        pod = event.new
        if is_mirror(pod):
            mirrors.observe(pod, gone=event.type == "DELETED")
        elif event.type == "DELETED":
            workers.removed(pod["metadata"]["uid"], pod)
        else:
            if event.old is not None and event.old["metadata"]["uid"] != pod["metadata"]["uid"]:
                workers.removed(event.old["metadata"]["uid"], event.old)
            workers.update(pod)

    informer = factory.informer("pods", field_selector=f"spec.nodeName={node}")
    informer.add_handler(handle)
    return informer
