"""ListImages."""

import fnmatch

from cri.images.storage import Image
from cri.parts import Parts
from protocols.cri import api_pb2


def message(parts: Parts, image: Image) -> api_pb2.Image:
    """An image as the kubelet sees it; ``uid`` and ``username`` exclude each other."""
    result = api_pb2.Image(
        id=image.id,
        repo_tags=image.names,
        repo_digests=image.digested,
        size=image.size,
        spec=api_pb2.ImageSpec(image=image.id, annotations=dict(image.annotations)),
        pinned=is_pinned(image, parts.config.pinned_images),
    )
    user = image.user.split(":")[0]
    if user.isdecimal():
        result.uid.value = int(user)
    elif user:
        result.username = user
    else:
        result.uid.value = 0
    return result


def is_pinned(image: Image, patterns: tuple[str, ...]) -> bool:
    """Whether a name of the image, tagged or with a digest, fits a pattern: the whole, ``start*`` or ``*part*``."""
    return any(
        fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))
        for pattern in patterns
        for name in (*image.names, *image.digested)
    )


def _list(parts: Parts, request: api_pb2.ListImagesRequest) -> api_pb2.ListImagesResponse:
    wanted = request.filter.image.image
    if wanted:
        found = parts.images.find(wanted)
        images = [found] if found is not None else []
    else:
        images = parts.images.list()
    return api_pb2.ListImagesResponse(images=[message(parts, image) for image in images])


async def list_images(parts: Parts, request: api_pb2.ListImagesRequest) -> api_pb2.ListImagesResponse:
    """Answer ListImages."""
    return await parts.blocking(_list, parts, request)
