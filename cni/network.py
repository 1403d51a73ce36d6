"""Network configurations as files: found in a directory, read, and merged into what each plugin is given."""

from __future__ import annotations

import os

from cni import documents
from cni.config import check_network_name
from cni.errors import DECODING_FAILURE, INVALID_CONFIG, CNIError
from cni.versions import at_least, highest, require_supported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_DIRECTORY = "/etc/cni/net.d"
_SUFFIXES = (".conf", ".conflist", ".json")
_FLAGS = {"true": True, "false": False}
_CAPABILITY_SINCE = "0.3.0"


class Network:
    """A network: a list of plugins to call in order.

    Attributes:
        name: Its name.
        version: The version of the specification it is called with.
        plugins: Their configurations.
        disable_check: CHECK does nothing.
        disable_gc: GC does nothing.
        path: The file it was read from.
        raw: The file's content.
    """

    __slots__ = ("disable_check", "disable_gc", "name", "path", "plugins", "raw", "version")

    def __init__(self, document: Any, path: str = "") -> None:
        if not isinstance(document, dict):
            raise CNIError(DECODING_FAILURE, "error parsing configuration list: not an object")
        if "plugins" not in document and "type" in document:
            # A single plugin's configuration (.conf) is a list of one.
            head = {key: document[key] for key in ("name", "cniVersion") if key in document}
            document = {**head, "plugins": [document]}
        self.raw: dict[str, Any] = document
        self.path = path
        self.name = str(document.get("name") or "")
        check_network_name(self.name)
        self.version = self._choose_version(document)
        plugins = document.get("plugins")
        if not isinstance(plugins, list) or not plugins:
            raise CNIError(INVALID_CONFIG, f"error parsing configuration list: no plugins in list {self.name}")
        for index, plugin in enumerate(plugins):
            if not isinstance(plugin, dict) or not isinstance(plugin.get("type"), str) or not plugin["type"]:
                raise CNIError(INVALID_CONFIG, f"failed to parse plugin config {index}: missing 'type'")
        self.plugins: list[dict[str, Any]] = plugins
        self.disable_check = _flag(document, "disableCheck")
        self.disable_gc = _flag(document, "disableGC")

    @staticmethod
    def _choose_version(document: dict[str, Any]) -> str:
        offered = document.get("cniVersions") or []
        if not isinstance(offered, list) or not all(isinstance(one, str) for one in offered):
            raise CNIError(INVALID_CONFIG, "error parsing configuration list: cniVersions is not a list of strings")
        single = document.get("cniVersion")
        if single is not None and not isinstance(single, str):
            raise CNIError(INVALID_CONFIG, "error parsing configuration list: cniVersion is not a string")
        if not offered:
            version = single or highest([])
            require_supported(version)
            return version
        return highest([*offered, *([single] if single else [])])

    @classmethod
    def load(cls, directory: str = DEFAULT_DIRECTORY, name: str = "") -> Network | None:
        """The first network of a directory, or the first with that name; None where there is none.

        A damaged file is passed over as long as another one is good.

        Raises:
            CNIError: if there are files, but none of them is good.
        """
        problem: CNIError | None = None
        for path in files(directory):
            try:
                network = cls.from_file(path)
            except CNIError as error:
                problem = problem or error
                continue
            if not name or network.name == name:
                return network
        if problem is not None:
            raise problem
        return None

    @classmethod
    def from_file(cls, path: str) -> Network:
        """A file's network.

        Raises:
            CNIError: if it can't be read or is none.
        """
        document = _read(path)
        try:
            # A list; a single plugin's configuration has a type, and no folder.
            if isinstance(document, dict) and "type" not in document and not _flag(document, "loadOnlyInlinedPlugins"):
                document = _with_folder(document, path)
            return cls(document, path)
        except CNIError as error:
            raise CNIError(error.code, f"{path}: {error.msg}", error.details) from error

    def plugin_config(
        self, plugin: dict[str, Any], capability_args: dict[str, Any], previous: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What a plugin is given: its own configuration, the network's name and version, and what the runtime adds."""
        config = {**plugin, "name": self.name, "cniVersion": self.version}
        if previous is not None:
            config["prevResult"] = previous
        capabilities = plugin.get("capabilities")
        if isinstance(capabilities, dict) and at_least(self.version, _CAPABILITY_SINCE):
            given = {key: capability_args[key] for key, on in capabilities.items() if on and key in capability_args}
            if given:
                config["runtimeConfig"] = {**(plugin.get("runtimeConfig") or {}), **given}
        return config


def files(directory: str) -> list[str]:
    """The configuration files of a directory, by name."""
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [f"{directory}/{name}" for name in names if name.endswith(_SUFFIXES) and name[0] != "."]


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return documents.loads(file.read())
    except (OSError, ValueError) as error:
        raise CNIError(DECODING_FAILURE, f"error reading {path}: {error}") from error


def _with_folder(document: dict[str, Any], path: str) -> dict[str, Any]:
    """A list with the plugins that lie in the folder with its network's name too, behind its own."""
    name, own = document.get("name"), document.get("plugins") or []
    if not isinstance(name, str) or not name or "/" in name or name in (".", "..") or not isinstance(own, list):
        return document  # refused later, with the reason
    folder = f"{os.path.dirname(path)}/{name}"
    more = [_read(one) for one in files(folder) if one.endswith(".conf")]
    return {**document, "plugins": [*own, *more]} if more else document


def _flag(document: dict[str, Any], key: str) -> bool:
    value = document.get(key)
    found = value if value is None or isinstance(value, bool) else _FLAGS.get(str(value).lower())
    if found is None and value is not None:
        raise CNIError(INVALID_CONFIG, f"error parsing configuration list: invalid value {value!r} for {key}")
    return bool(found)
