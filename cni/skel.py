"""A plugin as an executable: environment and stdin become a call, its result or error goes to stdout."""

from __future__ import annotations

import os
import sys

from cni import documents, in_process, result, shapes
from cni.config import Call, check_container_id, check_ifname, check_network_name, parse_args
from cni.errors import (
    DECODING_FAILURE,
    INTERNAL,
    INVALID_ENVIRONMENT,
    IO_FAILURE,
    CNIError,
    from_exception,
)
from cni.plugins import registry
from cni.versions import DEFAULT, LATEST, SUPPORTED, since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    "GC": ("CNI_PATH",),
    "STATUS": ("CNI_PATH",),
    "VERSION": (),
}


def main(kind: str) -> int:
    """Be the plugin of that type. Returns the exit status."""
    command = os.environ.get("CNI_COMMAND", "")
    if not command:
        module = registry.load(kind)
        about = str(getattr(module, "ABOUT", "")).strip()
        sys.stderr.write(
            f"CNI {kind} plugin of minikube-py: {about}\nCNI protocol versions supported: {', '.join(SUPPORTED)}\n"
        )
        return 0
    version = LATEST
    try:
        raw = _read_stdin(command)
        config = _decode(raw, command)
        shapes.check(config, {"cniVersion": str, "name": str}, code=DECODING_FAILURE)
        if isinstance(config.get("cniVersion"), str):
            version = config["cniVersion"]
        answer = _answer(kind, command, config)
    except Exception as error:  # noqa: BLE001 - the specification wants every failure as its error object
        _print(from_exception(error).to_json(version if version in SUPPORTED else LATEST))
        return 1
    if answer is not None:
        _print(answer)
    return 0


def _answer(kind: str, command: str, config: dict[str, Any]) -> dict[str, Any] | None:
    if command not in _REQUIRED:
        raise CNIError(INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {command}")
    missing = [name for name in _REQUIRED[command] if not os.environ.get(name)]
    if missing:
        raise CNIError(INVALID_ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")
    if command == "VERSION":
        first = getattr(registry.load(kind), "SINCE", DEFAULT)
        return {"cniVersion": LATEST, "supportedVersions": since(first)}
    call = Call(
        command,
        config,
        container_id=os.environ.get("CNI_CONTAINERID", ""),
        netns=os.environ.get("CNI_NETNS", ""),
        ifname=os.environ.get("CNI_IFNAME", ""),
        args=parse_args(os.environ.get("CNI_ARGS", "")),
        path=os.environ.get("CNI_PATH", "").split(":"),
    )
    if command in ("ADD", "DEL", "CHECK"):
        check_container_id(call.container_id)
        check_ifname(call.ifname)
    check_network_name(call.name)
    answer = in_process.run(kind, call)
    return result.convert(answer, call.version) if answer is not None else None


def _read_stdin(command: str) -> bytes:
    if command == "VERSION" and sys.stdin.isatty():
        return b""
    try:
        parts = []
        while chunk := os.read(0, 65536):
            parts.append(chunk)
    except OSError as error:
        raise CNIError(IO_FAILURE, f"error reading from stdin: {error}") from error
    return b"".join(parts)


def _decode(raw: bytes, command: str) -> dict[str, Any]:
    if command == "VERSION" and not raw.strip():
        return {}
    try:
        config = documents.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CNIError(DECODING_FAILURE, "error unmarshall network config", str(error)) from error
    if not isinstance(config, dict):
        raise CNIError(DECODING_FAILURE, "error unmarshall network config", "not an object")
    return config


def _print(answer: dict[str, Any]) -> None:
    try:
        text = documents.dumps(answer)
    except (TypeError, ValueError) as error:
        text = documents.dumps(CNIError(INTERNAL, f"result can't be encoded: {error}").to_json(LATEST))
    data = memoryview((text + "\n").encode())
    while data:
        data = data[os.write(1, data) :]
