from scheduler.cycle import schedule
from tests.scheduler.builders import PROFILE, node, pod, snapshot

CLASS = {"metadata": {"name": "lazy"}, "provisioner": "x/y", "volumeBindingMode": "WaitForFirstConsumer"}
ON_B = {
    "required": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]}
}


def claim(volume="", storage_class="lazy", modes=("ReadWriteOnce",), annotations=None, size="1Gi"):
    done = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    return {
        "metadata": {"name": "c", "namespace": "default", "uid": "u", "annotations": {**done, **(annotations or {})}},
        "spec": {
            "storageClassName": storage_class,
            "volumeName": volume,
            "accessModes": list(modes),
            "resources": {"requests": {"storage": size}},
        },
    }


def volume(name="v", size="1Gi", affinity=None, storage_class="lazy", **spec):
    base = {"storageClassName": storage_class, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}}
    if affinity:
        base["nodeAffinity"] = affinity
    return {"metadata": {"name": name}, "spec": {**base, **spec}, "status": {"phase": "Available"}}


def cluster(one_claim=None, *volumes, storage_class=CLASS, pods=()):
    snap = snapshot(node("a"), node("b"), pods=pods)
    if one_claim:
        snap.set_object("persistentvolumeclaims", "default/c", one_claim)
    for one in volumes:
        snap.set_object("persistentvolumes", one["metadata"]["name"], one)
    snap.set_object("storageclasses", storage_class["metadata"]["name"], storage_class)
    return snap


def user(name="p", **options):
    return pod(name, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}], **options)


def refusal(snap):
    return schedule(PROFILE, user(), snap).diagnosis.message


def test_claims_that_stop_a_pod_everywhere():
    assert refusal(cluster()) == '0/2 nodes are available: persistentvolumeclaim "c" not found.'
    assert "pod has unbound immediate PersistentVolumeClaims" in refusal(cluster(claim(storage_class="other")))
    assert "non-existent persistentvolume" in refusal(cluster({**claim("v"), "status": {"phase": "Lost"}}))
    deleted = claim()
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert 'persistentvolumeclaim "c" is being deleted' in refusal(cluster(deleted))


def test_a_bound_claim_leads_to_where_its_volume_is():
    for rotation in range(2):
        snap = cluster(claim("v"), volume(affinity=ON_B))
        assert schedule(PROFILE, user(), snap, rotation).node_name == "b"
    nowhere = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "z", "operator": "Exists"}]}]}}
    assert "2 node(s) didn't match PersistentVolume's node affinity" in refusal(
        cluster(claim("v"), volume(affinity=nowhere))
    )
    assert "bound to non-existent pv" in refusal(cluster(claim("v")))


def test_a_waiting_claim_takes_the_smallest_fitting_volume_or_asks_the_provisioner():
    snap = cluster(claim(), volume("big", "9Gi"), volume("fit", "2Gi"), volume("small", "1Mi"))
    plan = PROFILE.volumes.reserve(user(), snap.nodes["a"], snap)
    assert [v["metadata"]["name"] for v, _ in plan.bindings] == ["fit"]
    snap = cluster(claim())
    assert schedule(PROFILE, user(), snap).node_name
    assert PROFILE.volumes.reserve(user(), snap.nodes["a"], snap).provisions
    local = {**CLASS, "provisioner": "kubernetes.io/no-provisioner"}
    assert "2 node(s) didn't find available persistent volumes to bind" in refusal(
        cluster(claim(), storage_class=local)
    )
    snap = cluster(claim(), volume(affinity=ON_B), storage_class=local)
    assert schedule(PROFILE, user(), snap).node_name == "b"


def test_a_claim_on_its_way_to_a_node_stays_with_it():
    snap = cluster(claim(annotations={"volume.kubernetes.io/selected-node": "b"}))
    assert schedule(PROFILE, user(), snap).node_name == "b"


def test_a_volume_of_another_claim_is_not_taken():
    reference = {"namespace": "default", "name": "other", "uid": "x"}
    local = {**CLASS, "provisioner": "kubernetes.io/no-provisioner"}
    assert "didn't find available" in refusal(cluster(claim(), volume(claimRef=reference), storage_class=local))
    own = volume(claimRef={"namespace": "default", "name": "c"})
    assert schedule(PROFILE, user(), cluster(claim(), own, storage_class=local)).node_name


def test_topologies_of_the_class():
    topology = {
        **CLASS,
        "allowedTopologies": [{"matchLabelExpressions": [{"key": "kubernetes.io/hostname", "values": ["b"]}]}],
    }
    assert schedule(PROFILE, user(), cluster(claim(), storage_class=topology)).node_name == "b"


def test_read_write_once_pod_serves_one_pod():
    snap = cluster(claim("v", modes=("ReadWriteOncePod",)), volume(), pods=[user("first", node="a")])
    assert "ReadWriteOncePod" in refusal(snap)
    snap.remove_pod(next(iter(snap.nodes["a"].pods)))
    assert schedule(PROFILE, user(), snap).node_name
