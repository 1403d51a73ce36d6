"""Issue 4, point 1: the streamed lists say what the plain ones say."""

from __future__ import annotations

import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import Service

pytestmark = pytest.mark.live


def test_streamed_lists_equal_the_plain_ones(service: Service) -> None:
    runtime, images = service.runtime, service.images
    with service.pod() as pod, service.pod() as other:
        container = pod.start()
        other.start()
        sandboxes = [s.id for m in runtime.StreamPodSandboxes(api.StreamPodSandboxesRequest()) for s in m.pod_sandboxes]
        assert sandboxes == [s.id for s in runtime.ListPodSandbox(api.ListPodSandboxRequest()).items]
        assert {pod.id, other.id} <= set(sandboxes)

        request = api.StreamContainersRequest(filter={"pod_sandbox_id": pod.id})
        assert [c.id for m in runtime.StreamContainers(request) for c in m.containers] == [container.id]

        wanted = api.StreamContainerStatsRequest(filter={"id": container.id})
        stats = [s for m in runtime.StreamContainerStats(wanted) for s in m.container_stats]
        assert [s.attributes.id for s in stats] == [container.id]
        assert stats[0].memory.usage_bytes.value > 0

        pods = api.StreamPodSandboxStatsRequest(filter={"id": pod.id})
        pod_stats = [s for m in runtime.StreamPodSandboxStats(pods) for s in m.pod_sandbox_stats]
        assert [s.attributes.id for s in pod_stats] == [pod.id]
        assert [c.attributes.id for c in pod_stats[0].linux.containers] == [container.id]

        metrics = runtime.StreamPodSandboxMetrics(api.StreamPodSandboxMetricsRequest())
        assert {pod.id, other.id} <= {p.pod_sandbox_id for m in metrics for p in m.pod_sandbox_metrics}

        streamed = [i.id for m in images.StreamImages(api.StreamImagesRequest()) for i in m.images]
        assert sorted(streamed) == sorted(i.id for i in images.ListImages(api.ListImagesRequest()).images)
        none = api.StreamImagesRequest(filter={"image": {"image": "localhost/none"}})
        assert list(images.StreamImages(none)) == []
