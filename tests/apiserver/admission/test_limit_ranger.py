import pytest

from apiserver.admission.limit_ranger import problems
from tests.apiserver.conftest import claim, pod, sized

live = pytest.mark.live


def limit_range(*limits, name="limits"):
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": list(limits)}}


def refusal(api, path, obj):
    status, answer = api.json("POST", path, obj)
    assert (status, answer["reason"]) == (403, "Forbidden"), answer
    return answer["message"]


def bounds(pod_, *limits):
    return problems("pods", pod_, limit_range(*limits))


@pytest.mark.parametrize(
    ("limit", "resources", "told"),
    [
        ({"min": {"cpu": "50m"}}, ({}, {}), "minimum cpu usage per Container is 50m.  No request is specified"),
        (
            {"min": {"cpu": "50m"}},
            ({"cpu": "60m"}, {"cpu": "40m"}),
            "minimum cpu usage per Container is 50m, but limit is 40m",
        ),
        ({"max": {"cpu": "50m"}}, ({}, {}), "maximum cpu usage per Container is 50m.  No limit is specified"),
        (
            {"max": {"memory": "1Gi"}},
            ({}, {"memory": "1025Mi"}),
            "maximum memory usage per Container is 1Gi, but limit is 1025Mi",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            ({"cpu": "200m"}, {"cpu": "500m"}),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            ({"cpu": "0"}, {"cpu": "500m"}),
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
        ({"maxLimitRequestRatio": {"cpu": "2"}}, ({"cpu": "250m"}, {"cpu": "500m"}), ""),
    ],
)
def test_bounds_are_worded(limit, resources, told):
    found = bounds(sized("p", *resources), {"type": "Container", **limit})
    assert found == ([told] if told else [])


def test_a_pod_counts_its_sidecars_and_its_largest_step_but_not_its_overhead():
    containers = [{"name": "a", "resources": {"limits": {"memory": "1Gi"}}}]
    steps = [
        {"name": "side", "restartPolicy": "Always", "resources": {"limits": {"memory": "1Gi"}}},
        {"name": "step", "resources": {"limits": {"memory": "512Mi"}}},
    ]
    made = {"spec": {"containers": containers, "initContainers": steps, "overhead": {"memory": "1Gi"}}}
    limit = {"type": "Pod", "max": {"memory": "1536Mi"}}
    assert bounds(made, limit) == ["maximum memory usage per Pod is 1536Mi, but limit is 2Gi"]
    made["spec"]["resources"] = {"limits": {"memory": "1Gi"}}
    assert bounds(made, limit) == []


@live
def test_defaults_are_filled_in_by_the_first_range_and_told(api, ns):
    first = limit_range(
        {"type": "Container", "default": {"cpu": "200m", "memory": "64Mi"}, "defaultRequest": {"cpu": "100m"}},
        name="a",
    )
    second = limit_range({"type": "Container", "default": {"cpu": "900m"}}, name="b")
    for one in (first, second):
        assert api.json("POST", f"{ns}/limitranges", one)[0] == 201
    made = pod("p")
    made["spec"]["initContainers"] = [{"name": "i", "image": "x", "resources": {"requests": {"cpu": "10m"}}}]
    status, stored = api.json("POST", f"{ns}/pods", made)
    assert status == 201, stored
    filled = {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}}
    assert stored["spec"]["containers"][0]["resources"] == filled
    assert stored["spec"]["initContainers"][0]["resources"] == {**filled, "requests": {"cpu": "10m", "memory": "64Mi"}}
    assert stored["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; "
        "memory request for init container i; cpu, memory limit for init container i"
    )


@live
def test_pods_and_claims_out_of_bounds_are_refused_and_changes_hold_at_once(api, ns):
    limit = limit_range(
        {"type": "Container", "min": {"cpu": "50m"}, "max": {"cpu": "500m"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
    )
    assert api.json("POST", f"{ns}/limitranges", limit)[0] == 201
    assert refusal(api, f"{ns}/pods", sized("p", {"cpu": "10m"}, {"cpu": "600m"})) == (
        'pods "p" is forbidden: [minimum cpu usage per Container is 50m, but request is 10m, '
        "maximum cpu usage per Container is 500m, but limit is 600m]"
    )
    assert refusal(api, f"{ns}/persistentvolumeclaims", claim("c", "3Gi")) == (
        'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, '
        "but request is 3Gi"
    )
    assert api.json("POST", f"{ns}/persistentvolumeclaims", claim("c", "2Gi"))[0] == 201
    limit["spec"]["limits"][0]["max"]["cpu"] = "1"
    assert api.json("PUT", f"{ns}/limitranges/limits", limit)[0] == 200
    assert api.json("POST", f"{ns}/pods", sized("p", {"cpu": "50m"}, {"cpu": "600m"}))[0] == 201
    status, answer = api.json(
        "PATCH",
        f"{ns}/pods/p/resize",
        {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}},
        "application/strategic-merge-patch+json",
    )
    assert status == 403
    assert answer["message"] == 'pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
