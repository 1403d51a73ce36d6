"""What cni/README.md says of the plugins is so."""

import re
from pathlib import Path

from cni.plugins import registry

TEXT = Path("cni/README.md").read_text()
ROWS = {
    match[1]: set(re.findall(r"`([^`]+)`", match[2]))
    for match in re.finditer(r"^\| `([a-z-]+)`(?: \([^)]*\))? \|(.*)\|$", TEXT, re.MULTILINE)
}
SOURCES = "\n".join(path.read_text() for path in Path("cni").rglob("*.py"))


def test_every_plugin_has_its_row():
    assert set(ROWS) == set(registry.PLUGINS)


def test_every_key_is_one_that_is_read():
    words = {part for keys in ROWS.values() for key in keys for part in key.split(".")}
    unknown = {word for word in words if f'"{word}"' not in SOURCES}
    assert unknown == {"CNI_ARGS", "cni", "dhcp daemon", "runtimeConfig"} & unknown


def test_every_path_is_there():
    assert Path("cni", re.search(r"\]\((plugins/\w+\.py)\)", TEXT)[1]).exists()
    assert Path(re.search(r"`(tests/cni/\w+\.py)`", TEXT)[1]).exists()
