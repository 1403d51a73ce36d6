"""PersistentVolumeClaim."""

from apimachinery.objects.metadata import Obj


def apply_spec_defaults(spec: Obj) -> None:
    """Fill in a claim's specification, in place."""
    spec.setdefault("volumeMode", "Filesystem")
    spec.setdefault("resources", {})
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def apply_defaults(obj: Obj) -> None:
    """Fill in a PersistentVolumeClaim, in place."""
    apply_spec_defaults(obj.setdefault("spec", {}))
    if not obj.setdefault("status", {}).get("phase"):
        obj["status"]["phase"] = "Pending"
