"""registries.conf (version 2) as far as we need it ourselves: what short names stand for.

Mirrors, blocked and insecure registries are obeyed by skopeo, which reads the same files: the main file, and the
drop-ins of ``/etc/containers/registries.conf.d`` and of root's own directory in the order of their names, whichever
main file is chosen. Aliases that podman learnt from its user come first. Damaged files are reported and skipped, so
that one bad drop-in does not stop all pulls.
"""

import dataclasses
import ipaddress
import pathlib
import re
import threading
import tomllib
from collections.abc import Callable
from typing import Any

from component.logging import get_logger
from cri.images import reference
from cri.images.reference import Reference

_log = get_logger("registries")
DEFAULT_PATH = "/etc/containers/registries.conf"
DROP_INS = ("/etc/containers/registries.conf.d", "~/.config/containers/registries.conf.d")
_USERS_OWN = "~/.config/containers/registries.conf"
LEARNT_ALIASES = "/var/cache/containers/short-name-aliases.conf"
ENFORCING, PERMISSIVE, DISABLED = "enforcing", "permissive", "disabled"
MODES = (ENFORCING, PERMISSIVE, DISABLED)
_Stamp = tuple[tuple[str, int, int], ...]


class AmbiguousNameError(ValueError):
    """A short name may mean more than one image, and the mode forbids to guess."""


@dataclasses.dataclass(frozen=True, slots=True)
class Registries:
    """What short names stand for; pure."""

    search: tuple[str, ...] = ()
    aliases: dict[str, str] = dataclasses.field(default_factory=dict)
    mode: str = ""

    def to_pull(self, name: str, mode: str = "") -> list[str]:
        """Full names to try for a pull, best first.

        Args:
            name: As the user wrote it.
            mode: The runtime's own short-name mode; without one the file's counts, and without that ``enforcing``.

        Raises:
            ValueError: it is no name.
            AmbiguousNameError: several registries are searched, and the mode is ``enforcing``.
        """
        parsed = reference.parse(name).tagged()
        if parsed.registry:
            return [str(reference.official(parsed))]
        if parsed.path in self.aliases:
            return [self._alias(parsed)]
        places = self.search or ("docker.io",)
        if len(places) > 1 and (mode or self.mode or ENFORCING) == ENFORCING:
            raise AmbiguousNameError(
                f"short name mode is enforcing, but image name {name} returns ambiguous list"
                f" ({', '.join(places)}): write its registry, or set short_name_mode"
            )
        return _placed(parsed, places)

    def local(self, name: str) -> list[str]:
        """Full names that an image of the store may have, best first: as podman and buildah look them up.

        Raises:
            ValueError: it is no name.
        """
        parsed = reference.parse(name).tagged()
        if parsed.registry:
            return [str(reference.official(parsed))]
        known = [self._alias(parsed)] if parsed.path in self.aliases else []
        return known + _placed(parsed, tuple(dict.fromkeys(("localhost", *self.search, "docker.io"))))

    def _alias(self, parsed: Reference) -> str:
        target = reference.parse(self.aliases[parsed.path])
        return str(reference.official(target._replace(tag=parsed.tag, digest=parsed.digest)))


def _placed(parsed: Reference, places: tuple[str, ...]) -> list[str]:
    return [str(reference.official(parsed._replace(registry=place))) for place in places]


class RegistriesFile:
    """The files as of now: read again when one of them has changed."""

    def __init__(
        self,
        path: str = "",
        *,
        drop_ins: tuple[str, ...] = DROP_INS,
        learnt_aliases: str = LEARNT_ALIASES,
        mode: Callable[[], str] = str,
    ) -> None:
        """Read nothing yet; ``mode`` gives the runtime's own short-name mode as of now."""
        self._path = path
        self._drop_ins = [pathlib.Path(directory).expanduser() for directory in drop_ins]
        self._learnt_aliases = pathlib.Path(learnt_aliases)
        self._mode = mode
        self._stamp: _Stamp | None = None
        self._known = Registries()
        self._reading = threading.Lock()

    def current(self) -> Registries:
        """What the files say."""
        with self._reading:
            own = pathlib.Path(_USERS_OWN).expanduser()
            main = pathlib.Path(self._path or (own if own.exists() else DEFAULT_PATH))
            added = [file for folder in self._drop_ins if folder.is_dir() for file in sorted(folder.glob("*.conf"))]
            files = [main, *added, self._learnt_aliases]
            stamp = tuple(stamp for file in files if (stamp := _stamp(file)) is not None)
            if stamp != self._stamp:
                self._known = load(files)
                self._stamp = stamp
            return self._known

    def to_pull(self, name: str) -> list[str]:
        """As ``Registries.to_pull``, in the runtime's mode."""
        return self.current().to_pull(name, self._mode())

    def local(self, name: str) -> list[str]:
        """As ``Registries.local``."""
        return self.current().local(name)


def load(files: list[pathlib.Path]) -> Registries:
    """Merge files, the later over the earlier; one that is not there says nothing."""
    search: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    mode = ""
    for file in files:
        try:
            document = tomllib.loads(file.read_text())
            places = document.get("unqualified-search-registries")
            named = _aliases(document)
            wanted = document.get("short-name-mode", mode)
            if wanted and wanted not in MODES:
                raise ValueError(f"short-name-mode is {wanted!r}, not one of {', '.join(MODES)}")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            _log.warning("Skipping a damaged registries file", file=str(file), cause=str(error))
            continue
        if places is not None:
            search = tuple(str(place) for place in places)
        for short, full in named.items():
            aliases.pop(short, None)
            if full:  # an empty one takes the alias of an earlier file away
                aliases[short] = full
        mode = str(wanted)
    return Registries(search, aliases, mode)


def _aliases(document: dict[str, Any]) -> dict[str, str]:
    found = {str(short): str(full) for short, full in (document.get("aliases") or {}).items()}
    for full in found.values():
        if full and not reference.parse(full).registry:
            raise ValueError(f"the alias for {full!r} has no registry")
    return found


def is_listed(registry: str, entries: tuple[str, ...]) -> bool:
    """Whether a registry is in a list of hosts, ``host:port``s and ranges of addresses."""
    host = registry.rpartition(":")[0] if re.search(r":[0-9]+$", registry) else registry
    if registry in entries or host in entries:
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(address in network for entry in entries if (network := _network(entry)) is not None)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in entry:
        return None
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _stamp(path: pathlib.Path) -> tuple[str, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (str(path), status.st_mtime_ns, status.st_size)
