"""Drivers that `--driver` accepts: where the node runs."""

from minikube_py.reasons import BAD_DRIVER, Failure

DRIVERS: dict[str, str] = {
    "none": "directly on this host",
}
_ALIASES = {"host": "none", "native": "none"}


def checked(name: str) -> str:
    """The driver's canonical name.

    Raises:
        Failure: BAD_DRIVER, listing the supported ones.
    """
    canonical = _ALIASES.get(name, name)
    if canonical not in DRIVERS:
        supported = ", ".join(f"{driver} ({what})" for driver, what in DRIVERS.items())
        raise Failure(BAD_DRIVER, f"driver {name!r} is not supported", supported=supported)
    return canonical
