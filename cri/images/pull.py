"""Brings images into the store and takes them out: skopeo does it, so layers, digests and signatures are never ours.

Pulls of the same name share one job, which goes on although a caller gives up. Short names are tried against the search
registries in order. A pull that was cut off is simply started again: layers that were whole stay in the store.
"""

import asyncio
import contextlib
import pathlib
import re
from typing import Any

from component.logging import get_logger
from component.tasks import Tasks
from cri import errors
from cri.config import Config
from cri.images import auth, reference, registries_conf
from cri.images.auth import Credentials
from cri.images.skopeo import Skopeo
from cri.images.storage import Image, ImageStore

_log = get_logger("images")
_PARALLEL = 4
_TROUBLES: tuple[tuple[str, type[errors.CRIError], str], ...] = (
    (
        r"manifest unknown|name unknown|not found: manifest|repository name not known|StatusCode: 404",
        errors.NotFound,
        "",
    ),
    (r"signature|policy", errors.FailedPrecondition, "SignatureValidationFailed: "),
    (
        r"connection refused|no such host|i/o timeout|no route to host|connection reset|network is unreachable"
        r"|server misbehaving|503|502|pinging container registry",
        errors.Unavailable,
        "RegistryUnavailable: ",
    ),
    (r"registry .* is blocked", errors.FailedPrecondition, "RegistryBlocked: "),
    (r"no space left", errors.ResourceExhausted, ""),
)


class Puller:
    """All traffic of images."""

    def __init__(self, config: Config, images: ImageStore, tasks: Tasks) -> None:
        """Nothing is under way."""
        self._config = config
        self._images = images
        self._tasks = tasks
        self._jobs: dict[tuple[str, Credentials | None, str], asyncio.Task[Any]] = {}
        self._places = asyncio.Semaphore(_PARALLEL)
        scratch = pathlib.Path(config.big_files_temporary_dir or f"{config.root}/pulls")
        self._skopeo = Skopeo(config.skopeo, scratch, config.stall_seconds)
        self._removals: dict[str, asyncio.Lock] = {}
        self._registries: tuple[tuple[Any, ...], registries_conf.Registries] = ((), registries_conf.Registries())

    def search_registries(self) -> tuple[str, ...]:
        """Registries that short names are looked for in."""
        return self._known().search

    def _known(self) -> registries_conf.Registries:
        path = pathlib.Path(self._config.registries_conf or registries_conf.DEFAULT_PATH)
        stamp = tuple(_stamp(p) for p in (path, path.with_name(path.name + ".d")))
        if stamp != self._registries[0]:
            self._registries = (stamp, registries_conf.load(str(path)))
        return self._registries[1]

    async def pull(self, name: str, credentials: Credentials | None, namespace: str = "") -> str:
        """Pull an image for a pod of ``namespace``; returns its id. Joins a pull of the same that is under way.

        Raises:
            InvalidArgument: the name is not one.
            NotFound, Unavailable, FailedPrecondition: as the registry answered, in skopeo's words.
        """
        policy = self._policy(namespace)
        key = (name, credentials, policy)
        job = self._jobs.get(key)
        if job is None:
            job = self._tasks.spawn(self._guarded(name, credentials, policy), name=f"pull-{name}")
            self._jobs[key] = job
            job.add_done_callback(lambda _: self._jobs.pop(key, None))
        outcome = await asyncio.shield(job)
        if isinstance(outcome, errors.CRIError):
            raise outcome
        return str(outcome)

    async def _guarded(self, name: str, credentials: Credentials | None, policy: str) -> Any:
        """The outcome as a value, since a failed pull must not end the group of tasks."""
        try:
            return await self._pull(name, credentials, policy)
        except errors.CRIError as error:
            return error
        except OSError as error:
            return errors.Internal(f"cannot pull {name}: {error}")

    async def _pull(self, name: str, credentials: Credentials | None, policy: str) -> str:
        failures: list[errors.CRIError] = []
        for full in self._full_names(name):
            try:
                async with self._places:
                    await self._copy(full, credentials, policy)
            except errors.CRIError as error:
                failures.append(error)
                continue
            image = await asyncio.to_thread(self._images.find, full)
            if image is None:
                raise errors.Internal(f"image {full} was pulled but is not in the store")
            _log.info("Image pulled", image=full, id=image.id)
            return image.id
        if len(failures) == 1:
            raise failures[0]
        raise type(failures[-1])("; ".join(str(failure) for failure in failures))

    def _full_names(self, name: str) -> list[str]:
        try:
            parsed = reference.parse(name).tagged()
        except ValueError as error:
            raise errors.InvalidArgument(str(error)) from error
        if parsed.registry:
            return reference.candidates(str(parsed))
        names = self._known().full_names(parsed.path)
        return [
            reference.candidates(str(reference.parse(n)._replace(tag=parsed.tag, digest=parsed.digest)))[0]
            for n in names
        ]

    async def _copy(self, name: str, credentials: Credentials | None, policy: str) -> None:
        parsed = reference.parse(name)
        source = parsed._replace(tag="") if parsed.digest else parsed
        command = []
        if policy:
            command += ["--policy", policy]
        if self._config.registries_conf:
            command += ["--registries-conf", self._config.registries_conf]
        command += ["copy", "--quiet"]
        insecure = self._config.insecure_registries
        if parsed.registry in insecure or parsed.registry.split(":")[0] in insecure:
            command.append("--src-tls-verify=false")
        with contextlib.ExitStack() as stack:
            if credentials is not None and credentials.registry_token:
                command += ["--src-registry-token", credentials.registry_token]
            elif credentials is not None:
                path = stack.enter_context(auth.auth_file(parsed.registry, credentials, self._config.state))
                command += ["--src-authfile", path]
            elif self._config.global_auth_file:
                command += ["--src-authfile", self._config.global_auth_file]
            command += [f"docker://{source}", f"containers-storage:{self._store()}{source}"]
            await self._run(command, name)

    async def remove(self, image: Image) -> None:
        """Delete an image with all its names; gone already is fine."""
        lock = self._removals.setdefault(image.id, asyncio.Lock())
        try:
            async with lock:
                if await asyncio.to_thread(self._images.find, image.id) is None:
                    return
                command = ["delete", f"containers-storage:{self._store()}@{image.id}"]
                await self._run(command, image.id)
        finally:
            if not lock.locked():
                self._removals.pop(image.id, None)

    def _store(self) -> str:
        return f"[overlay@{self._config.root}+{self._config.runroot}]"

    async def _run(self, arguments: list[str], name: str) -> None:
        code, words = await self._skopeo.run(arguments, name)
        if code != 0:
            raise trouble(name, words)

    def clean(self) -> None:
        """Delete the temporary files of copies that were killed."""
        self._skopeo.clean()

    def _policy(self, namespace: str) -> str:
        """The signature policy for pods of a namespace: its own file, if there is one, or everybody's."""
        if self._config.signature_policy_dir and namespace:
            own = pathlib.Path(self._config.signature_policy_dir) / f"{namespace}.json"
            if own.is_file():
                return str(own)
        return self._config.signature_policy


def trouble(name: str, words: str) -> errors.CRIError:
    """Skopeo's complaint as one of our errors; the kubelet shows some prefixes as the waiting reason."""
    lines = [line for line in words.strip().splitlines() if line]
    text = lines[-1] if lines else "skopeo failed without a message"
    found = re.search(r'msg="(.*)"$', text)
    text = found.group(1).replace('\\"', '"') if found else text
    for pattern, kind, prefix in _TROUBLES:
        if re.search(pattern, text):
            return kind(f"{prefix}{name}: {text}")
    return errors.Internal(f"{name}: {text}")


def _stamp(path: pathlib.Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
