"""RemoveImage: takes every tag with it, refuses while a container stands on the image."""

from cri import errors
from cri.parts import Parts
from protocols.cri import api_pb2


async def remove_image(parts: Parts, request: api_pb2.RemoveImageRequest) -> api_pb2.RemoveImageResponse:
    """Answer RemoveImage; an unknown image is a removed one."""
    if not request.image.image:
        raise errors.InvalidArgument("no image specified")
    image = await parts.blocking(parts.images.find, request.image.image)
    if image is not None:
        users = await parts.blocking(parts.layers.uses, image.id)
        if users:
            raise errors.FailedPrecondition(f"image {request.image.image!r} is used by container {users[0]}")
        await parts.puller.remove(image)
    return api_pb2.RemoveImageResponse()
