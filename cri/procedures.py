"""The table of remote procedures: each RPC of the API and the function that answers it.

``changes`` marks those that go on although their caller has gone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from cri.rpc import (
    checkpoint_container,
    container_stats,
    container_status,
    create_container,
    exec_sync,
    get_container_events,
    image_fs_info,
    image_status,
    list_container_stats,
    list_containers,
    list_images,
    list_metric_descriptors,
    list_pod_sandbox,
    list_pod_sandbox_metrics,
    list_pod_sandbox_stats,
    list_streams,
    pod_sandbox_stats,
    pod_sandbox_status,
    pull_image,
    remove_container,
    remove_image,
    remove_pod_sandbox,
    reopen_container_log,
    run_pod_sandbox,
    runtime_config,
    start_container,
    status,
    stop_container,
    stop_pod_sandbox,
    update_container_resources,
    update_pod_sandbox_resources,
    update_runtime_config,
    version,
)
from cri.streaming import attach, port_forward
from cri.streaming import exec as exec_stream


class Procedure(NamedTuple):
    """One RPC."""

    function: Callable[..., Any]
    changes: bool = False


RUNTIME_SERVICE: dict[str, Procedure] = {
    "Version": Procedure(version.version),
    "Status": Procedure(status.status),
    "RuntimeConfig": Procedure(runtime_config.runtime_config),
    "UpdateRuntimeConfig": Procedure(update_runtime_config.update_runtime_config),
    "RunPodSandbox": Procedure(run_pod_sandbox.run_pod_sandbox, changes=True),
    "StopPodSandbox": Procedure(stop_pod_sandbox.stop_pod_sandbox, changes=True),
    "RemovePodSandbox": Procedure(remove_pod_sandbox.remove_pod_sandbox, changes=True),
    "PodSandboxStatus": Procedure(pod_sandbox_status.pod_sandbox_status),
    "ListPodSandbox": Procedure(list_pod_sandbox.list_pod_sandbox),
    "UpdatePodSandboxResources": Procedure(update_pod_sandbox_resources.update_pod_sandbox_resources),
    "CreateContainer": Procedure(create_container.create_container, changes=True),
    "StartContainer": Procedure(start_container.start_container, changes=True),
    "StopContainer": Procedure(stop_container.stop_container, changes=True),
    "RemoveContainer": Procedure(remove_container.remove_container, changes=True),
    "ListContainers": Procedure(list_containers.list_containers),
    "ContainerStatus": Procedure(container_status.container_status),
    "UpdateContainerResources": Procedure(update_container_resources.update_container_resources, changes=True),
    "ReopenContainerLog": Procedure(reopen_container_log.reopen_container_log),
    "ExecSync": Procedure(exec_sync.exec_sync),
    "Exec": Procedure(exec_stream.exec_in_container),
    "Attach": Procedure(attach.attach),
    "PortForward": Procedure(port_forward.port_forward),
    "ContainerStats": Procedure(container_stats.container_stats),
    "ListContainerStats": Procedure(list_container_stats.list_container_stats),
    "PodSandboxStats": Procedure(pod_sandbox_stats.pod_sandbox_stats),
    "ListPodSandboxStats": Procedure(list_pod_sandbox_stats.list_pod_sandbox_stats),
    "ListMetricDescriptors": Procedure(list_metric_descriptors.list_metric_descriptors),
    "ListPodSandboxMetrics": Procedure(list_pod_sandbox_metrics.list_pod_sandbox_metrics),
    "GetContainerEvents": Procedure(get_container_events.get_container_events),
    "CheckpointContainer": Procedure(checkpoint_container.checkpoint_container, changes=True),
    **{name: Procedure(list_streams.function(name)) for name in list_streams.STREAMS if name != "StreamImages"},
}

IMAGE_SERVICE: dict[str, Procedure] = {
    "ListImages": Procedure(list_images.list_images),
    "ImageStatus": Procedure(image_status.image_status),
    "PullImage": Procedure(pull_image.pull_image),
    "RemoveImage": Procedure(remove_image.remove_image, changes=True),
    "ImageFsInfo": Procedure(image_fs_info.image_fs_info),
    "StreamImages": Procedure(list_streams.function("StreamImages")),
}
