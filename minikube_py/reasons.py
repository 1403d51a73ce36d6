"""Every failure a person can meet: its id, its exit code and what to do about it.

One row per failure, in minikube's numbering: tens say where (1x program, 2x resources, 3x host, 5x database, 8x guest,
9x runtime, 10x control plane), units say what (0 error, 1 conflict, 2 time-out, 3 not running, 4 usage, 5 not found,
6 unsupported, 7 permission, 8 configuration, 9 unavailable). `Failure` is the only exception a command raises on
purpose; `minikube_py.cli` prints it and exits.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One kind of failure.

    Attributes:
        id: Stable upper-case name, shown to the person and usable in scripts.
        exit_code: What the process exits with.
        advice: The mend, in the imperative. May hold `{placeholders}` filled from the failure's facts.
    """

    id: str
    exit_code: int
    advice: str


class Failure(Exception):  # noqa: N818 - the word for it everywhere in the launcher
    """A failure with a known reason.

    Args:
        reason: A row of `REASONS`.
        message: What happened, in one sentence, with the names that matter.
        facts: Values for the placeholders of the advice.
    """

    def __init__(self, reason: Reason, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.advice = reason.advice.format(**facts) if facts else reason.advice


INTERRUPTED = Reason(
    "INTERRUPTED",
    2,
    "Run the same command again: it goes on where it stopped. `minikube-py delete` takes everything away.",
)
USAGE = Reason("MK_USAGE", 14, "`minikube-py COMMAND --help` explains the flags.")
CONFLICT = Reason("MK_CONFLICT", 11, "Wait for the other command on this profile to finish, then try again.")
NOT_ROOT = Reason("HOST_PERMISSION", 37, "Run it as root: `sudo -E ./minikube-py {command}`.")
HOST_FEATURE = Reason("HOST_KERNEL_FEATURE", 36, "{mend}")
HOST_UNSUPPORTED = Reason("HOST_UNSUPPORTED", 36, "{mend}")
INSUFFICIENT_MEMORY = Reason("RSRC_INSUFFICIENT_MEMORY", 23, "Free memory, or pass --force to try all the same.")
INSUFFICIENT_STORAGE = Reason(
    "RSRC_INSUFFICIENT_STORAGE", 26, "Free space on {path}, set MINIKUBE_PY_HOME to a larger disk, or pass --force."
)
PACKAGE_INSTALL = Reason(
    "HOST_PACKAGE_INSTALL", 39, "Install by hand: `apt-get update && apt-get install {packages}`, then start again."
)
PORT_IN_USE = Reason("HOST_PORT_IN_USE", 31, "End the program that holds the port, or choose another one with {flag}.")
NETWORK_IN_USE = Reason(
    "HOST_NETWORK_IN_USE", 31, "Choose other ranges with --pod-network-cidr and --service-cluster-ip-range."
)
BAD_PROFILE_NAME = Reason(
    "MK_BAD_PROFILE_NAME", 14, "Use at most 40 of a-z, 0-9 and '-', beginning and ending with a letter or digit."
)
PROFILE_NOT_FOUND = Reason(
    "MK_PROFILE_NOT_FOUND",
    85,
    'Run "minikube-py profile list" to view all profiles, or "minikube-py start -p {name}" to make it.',
)
PROFILE_DAMAGED = Reason(
    "MK_PROFILE_DAMAGED", 58, "Run `minikube-py delete -p {name}`, then start again. Its directory is {path}."
)
PROFILE_CHANGED = Reason(
    "MK_PROFILE_CHANGED", 14, "Run `minikube-py delete -p {name}` first, or start without the changed flag."
)
RUNS_OTHERWISE = Reason(
    "MK_RUNS_OTHERWISE", 14, "Run `minikube-py stop -p {name}`, then the same start again: its programs get new flags."
)
BAD_RUNTIME = Reason("MK_BAD_RUNTIME", 14, "Choose one of: {supported}.")
BAD_DRIVER = Reason("MK_BAD_DRIVER", 14, "Choose one of: {supported}.")
BAD_CIDR = Reason(
    "MK_BAD_CIDR", 14, "Give an IPv4 range such as 10.244.0.0/16; the ranges of pods and services must not overlap."
)
NOT_RUNNING = Reason("GUEST_NOT_RUNNING", 83, "Start it: `minikube-py start -p {name}`.")
SUPERVISOR = Reason("HOST_SUPERVISOR", 30, "Look at {log}; `minikube-py delete` and `start` begin afresh.")
NOT_READY = Reason(
    "K8S_NOT_READY", 102, "Look at `minikube-py logs -p {name}`; `minikube-py start` tries again from here."
)
IMAGE_LOAD = Reason(
    "GUEST_IMAGE_LOAD", 80, "Check that the file is a docker-archive or OCI archive (`podman save`, `docker save`)."
)
IMAGE_BUILD = Reason(
    "GUEST_IMAGE_BUILD", 80, "Mend the Dockerfile or its context and build again; the builder's own words are above."
)
IMAGE_PULL = Reason("GUEST_IMAGE_PULL", 80, "Check the image's name and that its registry can be reached.")
IMAGE_TAG = Reason("GUEST_IMAGE_TAG", 80, "See `minikube-py image ls` for the names that are there.")
IMAGE_SAVE = Reason("GUEST_IMAGE_SAVE", 80, "Check the image's name and that the file can be written.")
IMAGE_PUSH = Reason(
    "GUEST_IMAGE_PUSH",
    80,
    "Check the name and that its registry can be reached; maybe it wants a `podman login`.",
)
IMAGE_REMOVE = Reason("GUEST_IMAGE_REMOVE", 80, "Delete the pods that use the image first.")
KUBECONFIG = Reason("HOST_KUBECONFIG", 38, "Mend or move the file, or set KUBECONFIG to another one.")
SSH = Reason("GUEST_SSH", 80, "Start the cluster first.")
UNEXPECTED = Reason(
    "MK_UNEXPECTED", 10, "This is a bug in minikube-py. `minikube-py logs` and the lines above help to find it."
)

REASONS: tuple[Reason, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Reason))
