"""RemoveImage: takes every tag with it, refuses while a container stands on the image."""

from cri import errors
from cri.images import orphans
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
        # Who removes images wants room: layers of pulls that were never finished go, too, unless one is at work.
        if not parts.puller.busy:
            await parts.blocking(orphans.tidy, parts.images, parts.layers)
    return api_pb2.RemoveImageResponse()
