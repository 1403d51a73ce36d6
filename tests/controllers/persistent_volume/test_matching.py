from controllers.persistent_volume import matching


def claim(name="c", size="1Gi", storage_class="", **spec):
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    meta = {"namespace": "ns", "name": name, "uid": f"uid-{name}"}
    return {"metadata": meta, "spec": {**base, "storageClassName": storage_class, **spec}}


def volume(name, size="1Gi", storage_class="", labels=None, **spec):
    base = {"accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": size}}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {**base, "storageClassName": storage_class, **spec},
        "status": {"phase": "Available"},
    }


def best(one, *volumes, **options):
    found = matching.best_volume(one, volumes, **options)
    return found["metadata"]["name"] if found else None


def test_the_smallest_volume_that_is_big_enough():
    assert best(claim(size="2Gi"), volume("a", "10Gi"), volume("b", "1Gi"), volume("c", "3Gi")) == "c"


def test_class_mode_access_and_selector_must_fit():
    assert best(claim(storage_class="x"), volume("a")) is None
    assert best(claim(volumeMode="Block"), volume("a")) is None
    assert best(claim(accessModes=["ReadWriteMany"]), volume("a")) is None
    chosen = claim(selector={"matchLabels": {"k": "v"}})
    assert best(chosen, volume("a"), volume("b", labels={"k": "v"})) == "b"


def test_a_reserved_volume_wins_and_belongs_to_nobody_else():
    taken = volume("a", claimRef={"namespace": "ns", "name": "c"})
    assert best(claim(), volume("b"), taken) == "a"
    assert best(claim("other"), taken) is None
    another_life = volume("a", claimRef={"namespace": "ns", "name": "c", "uid": "older"})
    assert best(claim(), another_life) is None
    assert best(claim(), volume("b"), taken, reserved_only=True) == "a"
    assert best(claim(), volume("b"), reserved_only=True) is None


def test_binding_is_complete_on_both_sides_and_then_stable():
    one, other = claim(), volume("a")
    reserved = matching.reserved(other, one)
    assert reserved["spec"]["claimRef"]["uid"] == "uid-c"
    assert matching.reserved(reserved, one) is reserved
    bound = matching.bound(one, reserved)
    assert bound["spec"]["volumeName"] == "a"
    assert matching.bound(bound, reserved) is bound
    assert "claimRef" not in matching.released(reserved)["spec"]
    assert matching.BOUND_BY_CONTROLLER not in matching.released(reserved)["metadata"]["annotations"]
    assert matching.bound_status(reserved)["capacity"] == {"storage": "1Gi"}
