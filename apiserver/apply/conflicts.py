"""Conflicts of server-side apply: fields of other managers that would change, worded as upstream."""

import json

from apimachinery.errors import Conflict
from apiserver.apply.field_set import Fields, path_text, paths
from apiserver.apply.managed_fields import Identity


def shown(identity: Identity) -> str:
    """A manager as messages name it."""
    text = json.dumps(identity.manager, ensure_ascii=False)
    if identity.subresource:
        text += f" with subresource {json.dumps(identity.subresource)}"
    if identity.operation == "Update":
        text += f" using {identity.api_version}"
    return text


def conflict_error(found: dict[Identity, Fields]) -> Conflict:
    """The answer to an apply that would take fields from others without `force`."""
    rows = sorted((shown(identity), path_text(path)) for identity, fields in found.items() for path in paths(fields))
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
        for manager, field in rows
    ]
    if len(rows) == 1:
        manager, field = rows[0]
        message = f"Apply failed with 1 conflict: conflict with {manager}: {field}"
    else:
        lines: list[str] = []
        last = ""
        for manager, field in rows:
            if manager != last:
                lines.append(f"conflicts with {manager}:")
                last = manager
            lines.append(f"- {field}")
        message = f"Apply failed with {len(rows)} conflicts: " + "\n".join(lines)
    return Conflict(message, details={"causes": causes})
