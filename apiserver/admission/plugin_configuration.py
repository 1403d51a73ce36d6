"""`--admission-control-config-file`: an AdmissionConfiguration that gives plugins theirs, inline or by path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apimachinery.objects.metadata import Obj


class PluginConfigurationError(ValueError):
    """The file, or one it names, can't be used."""


def _document(path: Path) -> Obj:
    import yaml

    try:
        document: Any = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PluginConfigurationError(
            f"unable to read admission control configuration from {path}: {error}"
        ) from error
    if not isinstance(document, dict):
        raise PluginConfigurationError(f"admission control configuration {path}: must be an object")
    return document


def read_plugin_configuration(path: str) -> dict[str, Obj]:
    """Return plugin name -> its configuration.

    Raises:
        PluginConfigurationError: unreadable, of another kind, or a plugin without configuration.
    """
    if not path:
        return {}
    file = Path(path)
    document = _document(file)
    if document.get("kind") != "AdmissionConfiguration":
        raise PluginConfigurationError(f"admission control configuration {path}: kind must be AdmissionConfiguration")
    out: dict[str, Obj] = {}
    for row in document.get("plugins") or ():
        if not isinstance(row, dict) or not row.get("name"):
            raise PluginConfigurationError(f"admission control configuration {path}: a plugin needs a name")
        inline = row.get("configuration")
        # A relative path is relative to the file that names it.
        found = inline if inline is not None else _document(file.parent / str(row.get("path", "")))
        if not isinstance(found, dict):
            raise PluginConfigurationError(
                f"admission control configuration {path}: plugin {row['name']} needs an object"
            )
        out[str(row["name"])] = found
    return out
