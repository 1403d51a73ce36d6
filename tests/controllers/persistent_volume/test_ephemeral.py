from controllers.persistent_volume.ephemeral import wanted_claims


def test_a_claim_per_ephemeral_volume_owned_by_the_pod():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {
            "volumes": [
                {"name": "v", "ephemeral": {"volumeClaimTemplate": template}},
                {"name": "e", "emptyDir": {}},
            ]
        },
    }
    (claim,) = wanted_claims(pod)
    assert claim["metadata"]["name"] == "p-v"
    assert claim["metadata"]["labels"] == {"a": "b"}
    assert claim["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert claim["spec"] == template["spec"]
