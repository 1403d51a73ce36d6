"""PullImage."""

from cri import errors
from cri.images.auth import Credentials
from cri.parts import Parts
from protocols.cri import api_pb2


async def pull_image(parts: Parts, request: api_pb2.PullImageRequest) -> api_pb2.PullImageResponse:
    """Answer PullImage with the image's id."""
    if not request.image.image:
        raise errors.InvalidArgument("no image specified")
    credentials = Credentials.from_request(request.auth) if request.HasField("auth") else None
    image_id = await parts.puller.pull(request.image.image, credentials, request.sandbox_config.metadata.namespace)
    return api_pb2.PullImageResponse(image_ref=image_id)
