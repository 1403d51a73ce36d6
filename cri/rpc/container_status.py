"""ContainerStatus, and the status message of a container."""

import json

from cri.parts import Parts
from cri.store import Container
from protocols.cri import api_pb2

_NAMES = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG"
    " XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)
_SIGNALS_BY_NUMBER = dict(enumerate(_NAMES.split(), start=1))


def image_spec(container: Container) -> api_pb2.ImageSpec:
    """The image as the user named it, whatever id the kubelet asked by."""
    spec = api_pb2.ImageSpec()
    spec.CopyFrom(container.config.image)
    spec.image = container.image_name or spec.image
    return spec


def resources_in_force(container: Container) -> api_pb2.LinuxContainerResources:
    """The limits as created, or as last updated."""
    if container.resources:
        return api_pb2.LinuxContainerResources.FromString(bytes.fromhex(container.resources))
    return container.config.linux.resources


def status_of(container: Container) -> api_pb2.ContainerStatus:
    """A container as the kubelet sees it."""
    config = container.config
    return api_pb2.ContainerStatus(
        id=container.id,
        metadata=config.metadata,
        state=container.state,
        created_at=container.created_at,
        started_at=container.started_at,
        finished_at=container.finished_at,
        exit_code=container.exit_code,
        image=image_spec(container),
        image_ref=container.image_ref,
        image_id=container.image_id,
        reason=container.reason,
        message=container.message,
        labels=config.labels,
        annotations=config.annotations,
        mounts=config.mounts,
        log_path=container.log_path,
        resources=api_pb2.ContainerResources(linux=resources_in_force(container)),
        user=api_pb2.ContainerUser(
            linux=api_pb2.LinuxContainerUser(uid=container.uid, gid=container.gid, supplemental_groups=container.groups)
        ),
        stop_signal=signal_value(container.stop_signal),
    )


def signal_value(number: int) -> api_pb2.Signal:
    """A signal number as the API's enumeration."""
    name = _SIGNALS_BY_NUMBER.get(number)
    value: api_pb2.Signal = getattr(api_pb2, f"SIG{name}", api_pb2.RUNTIME_DEFAULT)
    return value


def signal_number(name: str) -> int:
    """The number of ``SIGTERM``, ``TERM`` or ``SIGRTMIN+3``; 0 if it is none."""
    plain = name.upper().removeprefix("SIG").replace("PLUS", "+").replace("MINUS", "-")
    for base, value in (("RTMIN", 34), ("RTMAX", 64)):
        if plain.startswith(base):
            offset = plain.removeprefix(base)
            return value + int(offset) if offset.lstrip("+-").isdecimal() else value
    return next((number for number, known in _SIGNALS_BY_NUMBER.items() if known == plain), 0)


def container_status(parts: Parts, request: api_pb2.ContainerStatusRequest) -> api_pb2.ContainerStatusResponse:
    """Answer ContainerStatus."""
    container = parts.store.containers.get(request.container_id)
    response = api_pb2.ContainerStatusResponse(status=status_of(container))
    if request.verbose:
        spec = json.loads((container.directory / "config.json").read_bytes())
        response.info["info"] = json.dumps(
            {
                "sandboxID": container.sandbox_id,
                "pid": container.pid,
                "runtimeSpec": spec,
                "privileged": container.config.linux.security_context.privileged,
            }
        )
    return response
