"""The process a container starts: arguments, environment, directory, identity, limits. Pure."""

import dataclasses
from typing import Any

from cri import errors
from cri.oci_spec import clamps
from protocols.cri import api_pb2

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """Who the process is."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


def arguments(config: api_pb2.ContainerConfig, image: dict[str, Any]) -> list[str]:
    """Command and arguments: ``command`` replaces the entrypoint and, with it, the image's ``Cmd``."""
    entrypoint = list(config.command) or list(image.get("Entrypoint") or [])
    command = list(config.args)
    if not command and not config.command:
        command = list(image.get("Cmd") or [])
    result = [*entrypoint, *command]
    if not result:
        raise errors.InvalidArgument(
            f"no command specified: neither the container nor image {config.image.image!r} has one"
        )
    return result


def environment(config: api_pb2.ContainerConfig, image: dict[str, Any], hostname: str) -> list[str]:
    """The environment: a PATH, the image's, then the container's own, the later winning."""
    variables: dict[str, str] = {"PATH": DEFAULT_PATH}
    if config.tty:
        variables["TERM"] = "xterm"
    if hostname:
        variables["HOSTNAME"] = hostname
    for entry in image.get("Env") or []:
        key, _, value = entry.partition("=")
        variables[key] = value
    for pair in config.envs:
        variables[pair.key] = pair.value
    return [f"{key}={value}" for key, value in variables.items()]


def working_directory(config: api_pb2.ContainerConfig, image: dict[str, Any]) -> str:
    """The start directory."""
    return config.working_dir or image.get("WorkingDir") or "/"


def limits(asked: dict[str, tuple[int, int]], host: clamps.HostFacts) -> list[dict[str, Any]]:
    """``process.rlimits``, bent to what we may set."""
    result = []
    for name, (soft, hard) in sorted(asked.items()):
        soft, hard = clamps.rlimit(name, soft, hard, host)
        unlimited = (1 << 64) - 1
        result.append({"type": name, "soft": soft % (unlimited + 1), "hard": hard % (unlimited + 1)})
    return result
