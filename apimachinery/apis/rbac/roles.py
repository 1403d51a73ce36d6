"""Role, ClusterRole, RoleBinding, ClusterRoleBinding."""

from apimachinery.objects.metadata import Obj

GROUP = "rbac.authorization.k8s.io"


def apply_defaults(obj: Obj) -> None:
    """Fill in a role or binding, in place."""
    if "roleRef" in obj:
        if not obj["roleRef"].get("apiGroup"):
            obj["roleRef"]["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP
    elif str(obj.get("kind", "")).endswith("Role"):
        obj.setdefault("rules", None)
