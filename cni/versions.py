"""The versions of the specification, and what each can do."""

from __future__ import annotations

from cni.errors import INCOMPATIBLE_VERSION, CNIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
LATEST = SUPPORTED[-1]
DEFAULT = SUPPORTED[0]
CHECK_SINCE = "0.4.0"
GC_SINCE = "1.1.0"


def parts(version: str) -> tuple[int, ...]:
    """A version as numbers.

    Raises:
        CNIError: if it is none.
    """
    try:
        numbers = tuple(int(part) for part in version.split("."))
    except (ValueError, AttributeError):
        numbers = ()
    if len(numbers) != 3:
        raise CNIError(INCOMPATIBLE_VERSION, "incompatible CNI versions", f'config is "{version}", which is no version')
    return numbers


def at_least(version: str, other: str) -> bool:
    """Whether a version is that one or a later one."""
    return parts(version) >= parts(other)


def since(first: str) -> list[str]:
    """Our versions from one on."""
    return [version for version in SUPPORTED if at_least(version, first)]


def require_supported(version: str, first: str = DEFAULT) -> None:
    """Raise unless the version is one of ours, from one on."""
    if version not in SUPPORTED or not at_least(version, first):
        listed = " ".join(f'"{one}"' for one in since(first))
        raise CNIError(
            INCOMPATIBLE_VERSION, "incompatible CNI versions", f'config is "{version}", plugin supports [{listed}]'
        )


def highest(offered: Iterable[str]) -> str:
    """The highest of some versions that we support; the default where none is.

    Raises:
        CNIError: if there are some but we support none of them.
    """
    offered = list(offered)
    ours = [version for version in offered if version in SUPPORTED]
    if offered and not ours:
        require_supported(offered[0])
    return max(ours, key=parts) if ours else DEFAULT
