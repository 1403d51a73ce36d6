import pytest

from cri import metrics


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (0, ">0 B"),
        (1000, ">0 B"),
        (1001, ">1 KiB"),
        (20_000_000, ">10 MiB"),
        (2_000_000_000, ">1 GiB"),
        (1 << 40, ">10 GiB"),
    ],
)
def test_sizes_have_cri_os_names(size: int, name: str) -> None:
    assert metrics.size_name(size) == name


def test_calls_and_layers_are_counted_under_cri_os_names() -> None:
    metrics.observe("PullImage", "OK", 0.2)
    metrics.observe("PullImage", "UNKNOWN", 0.1)
    layer = {"mediaType": "application/x", "size": 5000, "digest": "sha256:aa"}
    metrics.observe_layer("a.test/x:1", layer, loaded=True)
    metrics.observe_layer("a.test/x:1", layer, loaded=False)
    text = metrics.REGISTRY.exposition().decode()
    for line in (
        'container_runtime_crio_operations_total{operation="PullImage"} 2',
        'container_runtime_crio_operations_errors_total{operation="PullImage"} 1',
        'container_runtime_crio_operations_latency_seconds{operation="PullImage"} 0.1',
        'container_runtime_crio_operations_latency_seconds_total_count{operation="PullImage"} 2',
        'container_runtime_crio_image_pulls_bytes_total{mediatype="application/x",size=">1 KiB"} 5000',
        'container_runtime_crio_image_pulls_layer_size_bucket{le="1e+06"} 1',
        'container_runtime_crio_image_pulls_skipped_bytes_total{size=">1 KiB"} 5000',
        'container_runtime_crio_image_layer_reuse_total{name="a.test/x:1@sha256:aa"} 1',
    ):
        assert line in text.splitlines(), line
