"""CDI devices: named devices whose vendors say in files what a container needs for them.

Reads JSON and YAML files of the configured directories (Container Device Interface 0.3 to 0.8) at each use, since
vendors write them when drivers come up; the later directory wins. A name is ``vendor/class=device``. Blocks.
"""

import dataclasses
import json
import pathlib
import re
from typing import Any

from cri import container_mounts, errors
from cri.oci_spec import devices
from cri.oci_spec.devices import DeviceNode

_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w-]*)=([\w.:-]+)")
_HOOKS = {
    "prestart": "prestart",
    "createRuntime": "createRuntime",
    "createContainer": "createContainer",
    "startContainer": "startContainer",
    "poststart": "poststart",
    "poststop": "poststop",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Edits:
    """What the devices of one container add to it."""

    environment: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    hooks: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)


def resolve(names: list[str], directories: tuple[str, ...]) -> Edits:
    """Collect the edits of devices.

    Raises:
        InvalidArgument: a name is not one, or no file knows the device.
    """
    if not names:
        return Edits()
    specs = _load(directories)
    edits: list[dict[str, Any]] = []
    seen_kinds: set[str] = set()
    for name in names:
        match = _NAME.fullmatch(name)
        if not match:
            raise errors.InvalidArgument(f"{name!r} is not a fully qualified CDI device name")
        kind, device = match.groups()
        spec = next((s for s in specs if s.get("kind") == kind and _device(s, device) is not None), None)
        if spec is None:
            raise errors.InvalidArgument(f"CDI device injection failed: unresolvable CDI devices {name}")
        if kind not in seen_kinds:
            seen_kinds.add(kind)
            edits.append(spec.get("containerEdits") or {})
        edits.append((_device(spec, device) or {}).get("containerEdits") or {})
    return _merge(edits)


def _device(spec: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((d for d in spec.get("devices") or () if d.get("name") == name), None)


def _load(directories: tuple[str, ...]) -> list[dict[str, Any]]:
    specs: list[dict[str, Any]] = []
    for directory in reversed(directories):
        path = pathlib.Path(directory)
        if not path.is_dir():
            continue
        for file in sorted(path.iterdir()):
            document = _read(file)
            if isinstance(document, dict) and "kind" in document:
                specs.append(document)
    return specs


def _read(file: pathlib.Path) -> Any:
    try:
        if file.suffix == ".json":
            return json.loads(file.read_bytes())
        if file.suffix in (".yaml", ".yml"):
            import yaml

            return yaml.safe_load(file.read_text())
    except (OSError, ValueError) as error:
        raise errors.InvalidArgument(f"CDI file {file} cannot be read: {error}") from error
    return None


def _merge(edits: list[dict[str, Any]]) -> Edits:
    environment: list[str] = []
    nodes: list[DeviceNode] = []
    mounts: list[dict[str, Any]] = []
    hooks: dict[str, list[dict[str, Any]]] = {}
    for edit in edits:
        environment += edit.get("env") or []
        nodes += [_node(entry) for entry in edit.get("deviceNodes") or ()]
        mounts += [_mount(entry) for entry in edit.get("mounts") or ()]
        for hook in edit.get("hooks") or ():
            name = _HOOKS.get(str(hook.get("hookName")))
            if name is None:
                raise errors.InvalidArgument(f"CDI hook {hook.get('hookName')!r} is not known")
            hooks.setdefault(name, []).append(
                {key: hook[key] for key in ("path", "args", "env", "timeout") if hook.get(key)}
            )
    return Edits(tuple(environment), tuple(nodes), tuple(mounts), hooks)


def _node(entry: dict[str, Any]) -> DeviceNode:
    path = str(entry.get("path", ""))
    permissions = devices.check_permissions(str(entry.get("permissions") or ""))
    node = container_mounts.device_node(str(entry.get("hostPath") or path), path, permissions)
    if node is None:
        raise errors.InvalidArgument(f"CDI device node {path} is not on this host")
    return dataclasses.replace(node, uid=int(entry.get("uid", node.uid)), gid=int(entry.get("gid", node.gid)))


def _mount(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "destination": entry["containerPath"],
        "source": entry["hostPath"],
        "type": entry.get("type") or "bind",
        "options": list(entry.get("options") or ["rbind", "ro", "nosuid", "nodev"]),
    }
