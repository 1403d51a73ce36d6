"""Kernel parameters, by their dotted names."""

from pathlib import Path

_ROOT = Path("/proc/sys")


def _path(name: str) -> Path:
    # As sysctl(8): dots separate, and a slash stands for a dot inside a part (interface names may hold dots).
    return _ROOT / (
        name if "/" in name and "." not in name else name.replace(".", "\0").replace("/", ".").replace("\0", "/")
    )


def read(name: str) -> str:
    """The value, without its newline.

    Raises:
        OSError: if there is none.
    """
    return _path(name).read_text().rstrip("\n")


def write(name: str, value: str | int) -> None:
    """Set the value, unless it is set already (so that read-only hosts with the right value pass).

    Raises:
        OSError: if it can't be set.
    """
    path = _path(name)
    try:
        if path.read_text().strip() == str(value):
            return
    except OSError:
        pass
    path.write_text(str(value))


def exists(name: str) -> bool:
    """Whether the kernel has the parameter."""
    return _path(name).exists()
