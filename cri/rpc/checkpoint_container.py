"""CheckpointContainer: only where criu is installed."""

import pathlib
import shutil
import tarfile
import tempfile

from cri import errors
from cri.parts import Parts
from cri.rpc.exec_sync import running
from cri.runtime.oci_runtime import OciRuntime
from protocols.cri import api_pb2


async def checkpoint_container(
    parts: Parts, request: api_pb2.CheckpointContainerRequest
) -> api_pb2.CheckpointContainerResponse:
    """Answer CheckpointContainer."""
    container = running(parts, request.container_id)
    if shutil.which("criu") is None:
        raise errors.Unimplemented("checkpoint/restore support not available: criu is not installed")
    if not request.location.startswith("/"):
        raise errors.InvalidArgument(f"checkpoint location {request.location!r} is not an absolute path")
    runtime = parts.handlers.get(container.runtime_handler).runtime
    await parts.blocking(_checkpoint, runtime, container.id, request.location, str(container.directory))
    return api_pb2.CheckpointContainerResponse()


def _checkpoint(runtime: OciRuntime, container_id: str, location: str, bundle: str) -> None:
    with tempfile.TemporaryDirectory(dir=bundle) as directory:
        images = pathlib.Path(directory) / "checkpoint"
        images.mkdir()
        try:
            runtime.run("checkpoint", "--image-path", str(images), "--leave-running", container_id)
        except errors.Internal as error:
            if "unknown command" in str(error):
                words = f"checkpoint/restore support not available: {runtime.path} was built without criu"
                raise errors.Unimplemented(words) from error
            raise
        with tarfile.open(location, "w") as archive:
            archive.add(images, "checkpoint")
            archive.add(pathlib.Path(bundle) / "config.json", "spec.dump")
