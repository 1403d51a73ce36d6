"""The form of an image's configuration (OCI image-spec ``config.md``). Pure.

The document is its author's, so it may hold anything; what passes here can be used without another look.
"""

from collections.abc import Callable
from typing import Any

_Test = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _set(value: Any) -> bool:
    return isinstance(value, dict)


def _table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


_TOP: dict[str, tuple[_Test, str]] = {
    "architecture": (_text, "a string"),
    "os": (_text, "a string"),
    "config": (_set, "an object"),
    "rootfs": (_set, "an object"),
}
_CONFIG: dict[str, tuple[_Test, str]] = {
    "User": (_text, "a string"),
    "WorkingDir": (_text, "a string"),
    "StopSignal": (_text, "a string"),
    "Env": (_texts, "a list of strings"),
    "Entrypoint": (_texts, "a list of strings"),
    "Cmd": (_texts, "a list of strings"),
    "Volumes": (_set, "an object"),
    "ExposedPorts": (_set, "an object"),
    "Labels": (_table, "an object of strings"),
}


def problem(document: Any) -> str:
    """What is wrong with a configuration; empty where nothing is. A member may be missing or null."""
    if not isinstance(document, dict):
        return "it is not a JSON object"
    found = _problem(document, _TOP, "")
    return found or _problem(document.get("config") or {}, _CONFIG, "config.")


def _problem(members: dict[str, Any], tests: dict[str, tuple[_Test, str]], prefix: str) -> str:
    for name, (test, form) in tests.items():
        value = members.get(name)
        if value is not None and not test(value):
            return f"{prefix}{name} must be {form}"
    return ""
