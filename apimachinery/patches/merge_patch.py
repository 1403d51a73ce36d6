"""JSON merge patch (RFC 7386)."""

from typing import Any

from apimachinery.errors import BadRequest


def apply(doc: Any, patch: Any) -> Any:
    """The document after the patch; what the patch does not touch is shared with the given one.

    Raises:
        BadRequest: if the patch is no object.
    """
    if not isinstance(patch, dict):
        raise BadRequest("error decoding patch: a merge patch must be a JSON object")
    return _merged(doc, patch)


def _merged(doc: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    made = dict(doc) if isinstance(doc, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merged(made.get(key), value)
    return made
