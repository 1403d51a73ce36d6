"""Turns the mounts and devices a container asks for into facts about this host. Blocks; call it in a thread."""

import dataclasses
import os
import pathlib
import posixpath
import stat

from cri import errors
from cri.images import confined
from cri.images.layers import ContainerLayers
from cri.images.storage import ImageStore
from cri.oci_spec import devices, mounts
from cri.oci_spec.mounts import BindMount
from cri.sandboxes import idmapped_mounts
from cri.store import Container
from linux import mounts as linux_mounts
from protocols.cri import api_pb2

_DEVICES = pathlib.Path("/dev")
MAPPED = "mapped"  # below a container's directory: its mounts with mapped owners
_OWN_DEVICES = {"pts", "shm", "mqueue", "console", "fd", "stdin", "stdout", "stderr", "core", "ptmx", ".udev"}


class MountResolver:
    """Resolves the mounts of one container; remembers the image mounts it made."""

    def __init__(
        self,
        images: ImageStore,
        layers: ContainerLayers,
        container: Container,
        user_namespace: str,
        *,
        view: str = "",
        reject_absent: tuple[str, ...] = (),
    ) -> None:
        """Work for one container.

        Args:
            images: Where image volumes come from.
            layers: Where they are mounted.
            container: The container.
            user_namespace: The pod's own, if it has one.
            view: The store as that user namespace sees it.
            reject_absent: Host paths that must not be made where they are missing.
        """
        self._reject_absent = reject_absent
        self._view = view
        self._images = images
        self._layers = layers
        self._container_id = container.id
        self._mapped = container.directory / MAPPED
        self._user_namespace = user_namespace
        self.image_mounts: list[str] = []

    def resolve(self, requested: list[api_pb2.Mount], *, rro: bool) -> tuple[BindMount, ...]:
        """All requested mounts with their host paths found."""
        return tuple(self._one(mount, rro=rro) for mount in requested)

    def _one(self, mount: api_pb2.Mount, *, rro: bool) -> BindMount:
        mounts.check(mount)
        if mount.recursive_read_only and not rro:
            raise errors.InvalidArgument(
                "RROUnsupported: this host or runtime handler has no recursive read-only mounts"
            )
        if mount.HasField("image") and mount.image.image:
            return self._image(mount)
        if not mount.host_path:
            raise errors.InvalidArgument(f"mount {mount.container_path} has neither a host path nor an image")
        return BindMount(
            source=self._with_owners(mount, _host_path(mount, self._reject_absent)),
            destination=mount.container_path,
            read_only=mount.readonly,
            recursive_read_only=mount.recursive_read_only,
            propagation=mount.propagation,
        )

    def _with_owners(self, mount: api_pb2.Mount, source: str) -> str:
        """The kubelet asks for owners to be mapped by the pod's own mappings; done here, for any OCI runtime."""
        if not mount.uidMappings and not mount.gidMappings:
            return source
        if not self._user_namespace:
            raise errors.InvalidArgument(f"mount {mount.container_path} maps owners, but the pod has no user namespace")
        target = self._mapped / str(len(list(self._mapped.glob("*"))))
        idmapped_mounts.mount(source, target, self._user_namespace)
        return str(target)

    def _image(self, mount: api_pb2.Mount) -> BindMount:
        """An image volume: a writable layer of our own that is mounted read-only, so that the image stays in use."""
        if not mount.readonly:
            raise errors.InvalidArgument("ImageVolumeMountFailed: an image volume has to be mounted read-only")
        image = self._images.find(mount.image.image)
        if image is None:
            raise errors.NotFound(f"ImageVolumeMountFailed: image {mount.image.image!r} is not present")
        name = f"{self._container_id[:32]}{len(self.image_mounts):032x}"
        layer = self._layers.create(name, [], image, {}, _now())
        self.image_mounts.append(name)
        root = self._layers.mount(layer, self._view)
        source = root
        if mount.image_sub_path:
            try:
                source = confined.resolve_inside(root, mount.image_sub_path)
            except OSError as error:
                raise errors.InvalidArgument(
                    f"ImageVolumeMountFailed: image {mount.image.image!r} has no path {mount.image_sub_path!r}"
                ) from error
        return BindMount(source, mount.container_path, read_only=True, options=("nosuid", "nodev"))


def _now() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def _host_path(mount: api_pb2.Mount, reject_absent: tuple[str, ...]) -> str:
    path = posixpath.normpath(mount.host_path)
    real = os.path.realpath(path)
    if not os.path.exists(real):
        if path in reject_absent:
            raise errors.InvalidArgument(
                f"cannot mount {path}: path does not exist and will cause issues as a directory"
            )
        try:
            os.makedirs(real, mode=0o755)
        except OSError as error:
            raise errors.Internal(f"failed to create the mount source {path}: {error.strerror}") from error
    if mount.propagation != mounts.PRIVATE:
        _check_propagation(path, real, mount.propagation)
    return real


def _check_propagation(path: str, real: str, propagation: api_pb2.MountPropagation) -> None:
    """A mount point that propagates nothing would silently break what was asked for."""
    above = [m for m in linux_mounts.mountinfo() if real == m.path or real.startswith(m.path.rstrip("/") + "/")]
    point = max(above, key=lambda m: (len(m.path), m.id))
    shared = any(p.startswith("shared:") for p in point.propagation)
    slave = shared or any(p.startswith("master:") for p in point.propagation)
    if propagation == mounts.SHARED and not shared:
        raise errors.InvalidArgument(f"path {path!r} is mounted on {point.path!r} but it is not a shared mount")
    if propagation == mounts.SLAVE and not slave:
        raise errors.InvalidArgument(
            f"path {path!r} is mounted on {point.path!r} but it is not a shared or slave mount"
        )


def device_nodes(
    requested: list[api_pb2.Device], configured: tuple[str, ...], *, privileged: bool
) -> tuple[devices.DeviceNode, ...]:
    """The nodes a container sees: asked for, configured, or all of them."""
    nodes: list[devices.DeviceNode] = []
    if privileged:
        nodes.extend(_every_device())
    for entry in configured:
        host, _, rest = entry.partition(":")
        container, _, permissions = rest.partition(":")
        nodes.extend(_from_host(host, container or host, permissions))
    for device in requested:
        nodes.extend(_from_host(device.host_path, device.container_path or device.host_path, device.permissions))
    return tuple(nodes)


def owned(
    nodes: tuple[devices.DeviceNode, ...], context: api_pb2.LinuxContainerSecurityContext
) -> tuple[devices.DeviceNode, ...]:
    """The nodes as belonging to the user and the group that the container is asked to run as."""

    def mine(node: devices.DeviceNode) -> devices.DeviceNode:
        uid = context.run_as_user.value if context.HasField("run_as_user") else node.uid
        gid = context.run_as_group.value if context.HasField("run_as_group") else node.gid
        return dataclasses.replace(node, uid=uid, gid=gid)

    return tuple(mine(node) for node in nodes)


def _from_host(host: str, container: str, permissions: str) -> list[devices.DeviceNode]:
    permissions = devices.check_permissions(permissions)
    real = os.path.realpath(host)
    if os.path.isdir(real):
        found = []
        for directory, _, names in os.walk(real):
            for name in names:
                path = os.path.join(directory, name)
                node = device_node(path, posixpath.join(container, os.path.relpath(path, real)), permissions)
                if node is not None:
                    found.append(node)
        return found
    node = device_node(real, container, permissions)
    if node is None:
        raise errors.InvalidArgument(f"{host} is not a device of this host")
    return [node]


def device_node(path: str, container_path: str, permissions: str) -> devices.DeviceNode | None:
    """A device node of the host; None if the path is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        return None
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return devices.DeviceNode(
        container_path, kind, major, minor, status.st_mode, status.st_uid, status.st_gid, permissions
    )


def _every_device() -> list[devices.DeviceNode]:
    found = []
    for directory, names, files in os.walk(_DEVICES):
        names[:] = [n for n in names if n not in _OWN_DEVICES]
        for name in files:
            path = os.path.join(directory, name)
            if name in _OWN_DEVICES or os.path.islink(path):
                continue
            node = device_node(path, path, "rwm")
            if node is not None:
                found.append(node)
    return found
