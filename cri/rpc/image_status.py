"""ImageStatus: an image that is not there is an empty answer, not an error."""

import json

from cri import errors
from cri.parts import Parts
from cri.rpc import list_images
from protocols.cri import api_pb2


def _status(parts: Parts, request: api_pb2.ImageStatusRequest) -> api_pb2.ImageStatusResponse:
    if not request.image.image:
        raise errors.InvalidArgument("no image specified")
    image = parts.images.find(request.image.image)
    if image is None:
        return api_pb2.ImageStatusResponse()
    response = api_pb2.ImageStatusResponse(image=list_images.message(parts, image))
    if request.verbose:
        config = parts.images.config(image.id)
        response.info["info"] = json.dumps({"labels": (config.get("config") or {}).get("Labels"), "imageSpec": config})
    return response


async def image_status(parts: Parts, request: api_pb2.ImageStatusRequest) -> api_pb2.ImageStatusResponse:
    """Answer ImageStatus."""
    return await parts.blocking(_status, parts, request)
