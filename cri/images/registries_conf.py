"""registries.conf (version 2) as far as we need it ourselves: where short names are looked for.

Mirrors, blocked and insecure registries are obeyed by skopeo, which is handed the same file. Drop-ins in
``registries.conf.d`` are merged in the order of their names; damaged files are reported and skipped, so that one bad
drop-in does not stop all pulls.
"""

import dataclasses
import pathlib
import tomllib

from component.logging import get_logger

_log = get_logger("registries")
DEFAULT_PATH = "/etc/containers/registries.conf"


@dataclasses.dataclass(frozen=True, slots=True)
class Registries:
    """What short names stand for."""

    search: tuple[str, ...] = ()
    aliases: dict[str, str] = dataclasses.field(default_factory=dict)
    insecure: frozenset[str] = frozenset()

    def full_names(self, path: str) -> list[str]:
        """Full repository names that the short name ``path`` may mean, best first."""
        if path in self.aliases:
            return [self.aliases[path]]
        return [f"{registry}/{path}" for registry in self.search or ("docker.io",)]


def load(path: str) -> Registries:
    """Read a file and the drop-ins beside it."""
    main = pathlib.Path(path or DEFAULT_PATH)
    drop_ins = main.with_name(main.name + ".d")
    files = [main, *(sorted(drop_ins.glob("*.conf")) if drop_ins.is_dir() else [])]
    search: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    insecure: set[str] = set()
    for file in files:
        try:
            document = tomllib.loads(file.read_text())
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            _log.warning("Skipping a damaged registries file", file=str(file), cause=str(error))
            continue
        if "unqualified-search-registries" in document:
            search = tuple(str(r) for r in document["unqualified-search-registries"])
        aliases.update({str(k): str(v) for k, v in (document.get("aliases") or {}).items()})
        for entry in document.get("registry") or ():
            if entry.get("insecure"):
                insecure.add(str(entry.get("prefix") or entry.get("location") or ""))
    return Registries(search, aliases, frozenset(insecure))
