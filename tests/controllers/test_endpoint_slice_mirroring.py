from controllers.endpoint_slice_mirroring import is_mirrored, plan, wanted_slices


def endpoints(*addresses, port=80, labels=None, annotations=None):
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "e",
            "namespace": "ns",
            "uid": "u",
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "subsets": [
            {
                "addresses": [{"ip": a} for a in addresses],
                "notReadyAddresses": [{"ip": "10.0.0.99", "hostname": "h"}],
                "ports": [{"name": "http", "port": port}],
            }
        ],
    }


def test_one_slice_per_subset_and_family():
    four, six = wanted_slices(endpoints("10.0.0.1", "fd00::1"))
    assert (four["addressType"], six["addressType"]) == ("IPv4", "IPv6")
    assert [(e["addresses"], e["conditions"]["ready"]) for e in four["endpoints"]] == [
        (["10.0.0.1"], True),
        (["10.0.0.99"], False),
    ]
    assert four["endpoints"][1]["hostname"] == "h"
    assert four["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
    assert four["metadata"]["labels"]["kubernetes.io/service-name"] == "e"


def test_who_is_mirrored():
    service = {"spec": {}}
    assert is_mirrored(endpoints("10.0.0.1"), service)
    assert not is_mirrored(endpoints("10.0.0.1"), None)
    assert not is_mirrored(endpoints("10.0.0.1"), {"spec": {"selector": {"a": "b"}}})
    assert not is_mirrored(endpoints("10.0.0.1", labels={"endpointslice.kubernetes.io/skip-mirror": "true"}), service)
    assert not is_mirrored(endpoints(annotations={"control-plane.alpha.kubernetes.io/leader": "x"}), service)


def test_the_plan_changes_only_what_differs():
    (first,) = wanted_slices(endpoints("10.0.0.1"))
    existing = {**first, "metadata": {**first["metadata"], "name": "e-abc"}}
    assert plan([first], [existing]) == ([], [], [])
    (moved,) = wanted_slices(endpoints("10.0.0.2", port=81))
    create, update, delete = plan([moved], [existing])
    assert (create, delete) == ([], [])
    assert update[0]["metadata"]["name"] == "e-abc"
    assert update[0]["ports"][0]["port"] == 81
    assert plan([], [existing]) == ([], [], [existing])
    assert plan([first], []) == ([first], [], [])
