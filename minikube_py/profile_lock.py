"""One command at a time may change a profile."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from minikube_py.profiles import profiles_directory
from minikube_py.reasons import CONFLICT, Failure


@contextmanager
def profile_lock(name: str) -> Iterator[None]:
    """Hold a profile for a change. The kernel frees it when the holder dies, however it dies.

    Raises:
        Failure: CONFLICT, where another command holds it.
    """
    profiles_directory().mkdir(parents=True, exist_ok=True)
    path = profiles_directory() / f".{name}.lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure(CONFLICT, f'another command is changing the profile "{name}"') from error
        yield
        # Unlinked while held: a later command makes a new one, and `delete` leaves no file behind.
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
