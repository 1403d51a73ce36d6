"""JSON patch (RFC 6902), over the `jsonpatch` package, with upstream's answers to patches that can't be applied."""

import copy
import json
from typing import Any

from apimachinery.errors import BadRequest, Invalid

_MOST_COPIED = 3 * 1024 * 1024
_REJECTED = "the server rejected our request due to an error in our request"


def apply(doc: Any, ops: Any) -> Any:
    """The document after the operations; the given one is left as it is.

    Raises:
        BadRequest: if the patch itself is malformed.
        Invalid: if it does not fit the document.
    """
    import jsonpatch
    import jsonpointer

    if not isinstance(ops, list) or not all(isinstance(one, dict) for one in ops):
        raise BadRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        if any(one.get("op") == "copy" for one in ops):
            return _apply_copies(doc, ops)
        return jsonpatch.JsonPatch(ops).apply(doc)
    except jsonpatch.InvalidJsonPatch as error:
        raise Invalid(f"{_REJECTED}: {error}", details={}) from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError) as error:
        raise Invalid(_REJECTED, details={}) from error


def _apply_copies(doc: Any, ops: list[Any]) -> Any:
    """Apply operations one by one, as long as what they copy stays within a limit: copies of copies double each time.

    Raises:
        Invalid: if they copy too much.
    """
    import jsonpatch
    import jsonpointer

    doc = copy.deepcopy(doc)
    copied = 0
    for one in ops:
        if one.get("op") == "copy" and isinstance(one.get("from"), str):
            copied += len(json.dumps(jsonpointer.resolve_pointer(doc, one["from"])))
            if copied > _MOST_COPIED:
                limit = f"the accumulated size increase of copy is {copied}, exceeding the limit {_MOST_COPIED}"
                raise Invalid(f"Unable to complete the copy, {limit}", details={})
        doc = jsonpatch.JsonPatch([one]).apply(doc, in_place=True)
    return doc
