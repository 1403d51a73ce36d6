import pytest

from addons.storage_provisioner.provisioner import remove_directory
from addons.storage_provisioner.volumes import default_storage_class, needs_deletion, needs_volume, new_volume

CLASS = default_storage_class()


def claim(annotations=None, **spec):
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"namespace": "ns", "name": "data", "uid": "u-1", "annotations": annotations or {}}
    return {"metadata": meta, "spec": {**base, **spec}}


def test_which_claims_get_a_volume():
    assert needs_volume(claim(), CLASS)
    assert not needs_volume(claim(), None)
    assert not needs_volume(claim(), {**CLASS, "provisioner": "example.com/other"})
    assert not needs_volume(claim(volumeName="pv"), CLASS)
    assert not needs_volume(claim(volumeMode="Block"), CLASS)
    waiting = {**CLASS, "volumeBindingMode": "WaitForFirstConsumer"}
    assert not needs_volume(claim(), waiting)
    assert needs_volume(claim({"volume.kubernetes.io/selected-node": "n1"}), waiting)


def test_a_volume_is_reserved_for_its_claim():
    made = new_volume(claim(), CLASS, "/srv/")
    assert made["metadata"]["name"] == "pvc-u-1"
    assert made["spec"]["hostPath"]["path"] == "/srv/ns/data-u-1"
    assert made["spec"]["claimRef"]["uid"] == "u-1"
    assert made["spec"]["capacity"] == {"storage": "1Gi"}
    assert not needs_deletion(made)
    assert needs_deletion({**made, "status": {"phase": "Released"}})
    kept = {
        **made,
        "spec": {**made["spec"], "persistentVolumeReclaimPolicy": "Retain"},
        "status": {"phase": "Released"},
    }
    assert not needs_deletion(kept)


def test_only_directories_below_the_root_are_removed(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    inside = root / "ns" / "data"
    for path in (inside, outside):
        path.mkdir(parents=True)
        (path / "file").write_text("x")
    (root / "ns" / "link").symlink_to(outside)
    (root / "sneaky").symlink_to(tmp_path)
    for path in (outside, root / "ns" / ".." / ".." / "outside", root, root / "ns", root / "sneaky" / "outside"):
        remove_directory(str(root), str(path))
    assert (outside / "file").exists()
    assert inside.exists()
    remove_directory(str(root), str(root / "ns" / "link"))
    assert (outside / "file").exists()
    remove_directory(str(root), str(inside))
    assert not inside.exists()
    remove_directory(str(root), str(inside))


@pytest.mark.parametrize("path", ["", "/", ".", "relative"])
def test_odd_paths_remove_nothing(tmp_path, path):
    remove_directory(str(tmp_path), path)
    assert tmp_path.exists()
