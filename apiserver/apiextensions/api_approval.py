"""Groups of the Kubernetes project are approved by it: what a CRD's annotation says of that (pure)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from apimachinery.objects.metadata import Obj

ANNOTATION: Final = "api-approved.kubernetes.io"
CONDITION: Final = "KubernetesAPIApprovalPolicyConformant"
_PROTECTED: Final = re.compile(r"(.*\.)?(k8s|kubernetes)\.io")
_SEE: Final = "see https://github.com/kubernetes/enhancements/pull/1111"
_MUST: Final = f'protected groups must have approval annotation "{ANNOTATION}"'


def state(crd: Obj) -> tuple[str, str]:
    """Return the state and what to say of it; ("", "") for groups that need no approval."""
    if not _PROTECTED.fullmatch((crd.get("spec") or {}).get("group", "")):
        return "", ""
    text = ((crd.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION, "")
    if not text:
        return "MissingAnnotation", f"{_MUST}, {_SEE}"
    if text.startswith("unapproved"):
        return "UnapprovedAnnotation", f"not approved: {text!r}".replace("'", '"')
    parts = urlsplit(text)
    if parts.scheme and parts.netloc:
        return "ApprovedAnnotation", f"approved in {text}"
    return "InvalidAnnotation", f'{_MUST} with either a URL or a reason starting with "unapproved", {_SEE}'
