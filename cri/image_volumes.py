"""An image's ``VOLUME``s, handled as the configuration says (CRI-O's ``image_volumes``). Blocks.

- ``mkdir``: directories of the container's own layer; under a read-only root, a tmpfs with what the image has there.
- ``bind``: directories beside the container's layer, gone with it.
- ``ignore``: nothing at all.
"""

import dataclasses
import os
import pathlib
from typing import Any

from cri import errors
from cri.images import confined
from cri.oci_spec.mounts import Mount, image_volumes

MKDIR, BIND, IGNORE = "mkdir", "bind", "ignore"
MODES = (MKDIR, BIND, IGNORE)
_TMPFS = ["nosuid", "nodev", "mode=1777", "tmpcopyup"]


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a container's volumes can be."""

    rootfs: str
    beside: pathlib.Path  # the container's own directory in the store
    uid: int  # as the node sees it
    gid: int
    read_only_root: bool = False


def prepare(mode: str, image: dict[str, Any], place: Place) -> list[Mount]:
    """Make the directories; returns the mounts that the container needs for them.

    Raises:
        InvalidArgument: the image names a path that can't be a directory.
    """
    if mode == IGNORE:
        return []
    mounts: list[Mount] = []
    for number, path in enumerate(image_volumes(image)):
        if mode == BIND:
            source = place.beside / "volumes" / str(number)
            source.mkdir(parents=True, mode=0o755)
            os.chown(source, place.uid, place.gid)
            options = ["rbind", "rprivate", "rw"]
            mounts.append({"destination": path, "type": "bind", "source": str(source), "options": options})
        elif place.read_only_root:
            mounts.append({"destination": path, "type": "tmpfs", "source": "tmpfs", "options": _TMPFS})
        else:
            try:
                confined.make_directories(place.rootfs, path, place.uid, place.gid)
            except OSError as error:
                raise errors.InvalidArgument(f"cannot make volume {path!r} of the image: {error.strerror}") from error
    return mounts
