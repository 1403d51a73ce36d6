"""`--extra-config COMPONENT.FLAG=VALUE`: a program's own flags beyond those that the launcher sets, as in minikube."""

import re
from collections.abc import Iterable, Sequence

from minikube_py.reasons import USAGE, Failure

COMPONENTS = {
    "apiserver": "apiserver",
    "controller-manager": "controllers",
    "scheduler": "scheduler",
    "kubelet": "kubelet",
    "kube-proxy": "proxy",
    "etcd": "etcd",
}
"""minikube's names of components, and the programs they are."""
_ENTRY = re.compile(r"(?P<component>[a-z-]+)\.(?P<flag>[a-z0-9][a-z0-9-]*)=(?P<value>.*)")
# What the supervisor's configuration file can't hold.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f]|\s[;#]")


def checked(entries: Iterable[str]) -> tuple[str, ...]:
    """The entries, the last of each flag, sorted.

    Args:
        entries: `COMPONENT.FLAG=VALUE`.

    Raises:
        Failure: USAGE.
    """
    found: dict[str, str] = {}
    for entry in entries:
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise Failure(USAGE, f"--extra-config={entry!r} is not COMPONENT.FLAG=VALUE")
        if match["component"] not in COMPONENTS:
            known = ", ".join(COMPONENTS)
            raise Failure(USAGE, f"--extra-config: there is no component {match['component']!r}, but {known}")
        if _UNWRITABLE.search(match["value"]):
            raise Failure(USAGE, f"--extra-config={entry!r}: the value has characters that can't be passed on")
        found[f"{match['component']}.{match['flag']}"] = match["value"]
    return tuple(f"{name}={value}" for name, value in sorted(found.items()))


def flags(entries: Iterable[str], program: str) -> list[str]:
    """The flags of one program, as words of a command line."""
    return [
        f"--{rest}"
        for component, _, rest in (entry.partition(".") for entry in entries)
        if COMPONENTS[component] == program
    ]


def merged(words: Sequence[str], extra: Sequence[str]) -> list[str]:
    """A command line in which further flags take the place of those of the same name."""
    replaced = {word.partition("=")[0] for word in extra}
    return [*(word for word in words if word.partition("=")[0] not in replaced), *extra]
