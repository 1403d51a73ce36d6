"""JSON patch (RFC 6902), over the `jsonpatch` package, with upstream's answers to patches that can't be applied."""

from typing import Any

from apimachinery.errors import BadRequest, Invalid

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
        return jsonpatch.JsonPatch(ops).apply(doc)
    except jsonpatch.InvalidJsonPatch as error:
        raise Invalid(f"{_REJECTED}: {error}", details={}) from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError) as error:
        raise Invalid(_REJECTED, details={}) from error
