from apimachinery.apis.apps.stateful_set import apply_defaults, validate


def stateful_set(*mounts):
    container = {
        "name": "c",
        "image": "i",
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in mounts],
    }
    made = {
        "metadata": {"name": "s", "namespace": "ns"},
        "spec": {
            "serviceName": "s",
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        },
    }
    apply_defaults(made)
    return made


def test_containers_mount_claims_by_the_names_of_their_templates():
    assert validate(stateful_set("data")) == []
    (problem,) = validate(stateful_set("data", "other"))
    assert "volumeMounts[1].name" in str(problem)
