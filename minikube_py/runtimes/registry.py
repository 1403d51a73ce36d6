"""Container runtimes that `--container-runtime` accepts."""

from minikube_py.reasons import BAD_RUNTIME, Failure

RUNTIMES: dict[str, str] = {
    "cri-o": "the bundled CRI runtime (conmon with crun or runc)",
}
_ALIASES = {"crio": "cri-o"}


def checked(name: str) -> str:
    """The runtime's canonical name.

    Raises:
        Failure: BAD_RUNTIME, listing the supported ones.
    """
    canonical = _ALIASES.get(name, name)
    if canonical not in RUNTIMES:
        supported = ", ".join(RUNTIMES)
        raise Failure(BAD_RUNTIME, f"container runtime {name!r} is not supported", supported=supported)
    return canonical
