"""Brings images into the store and takes them out: skopeo does it, so layers, digests and signatures are never ours.

Pulls of the same name share one job, which goes on although a caller gives up. Short names are tried against the search
registries in order. A pull that was cut off is simply started again: layers that were whole stay in the store.
"""

import asyncio
import contextlib
import errno
import pathlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from component.logging import get_logger
from component.tasks import Tasks
from cri import errors, metrics
from cri.config import Config
from cri.images import auth, pull_outcome, reference, registries_conf
from cri.images.auth import Credentials
from cri.images.journal import Journal
from cri.images.registries_conf import RegistriesFile
from cri.images.skopeo import Skopeo
from cri.images.storage import Image, ImageStore

_log = get_logger("images")
_PARALLEL = 4


class Puller:
    """All traffic of images."""

    def __init__(
        self, config: Callable[[], Config], images: ImageStore, registries: RegistriesFile, tasks: Tasks
    ) -> None:
        """Nothing is under way; ``config`` gives the configuration as of now."""
        self._config = config
        self._images = images
        self._registries = registries
        self._tasks = tasks
        self._jobs: dict[tuple[str, Credentials | None, str], asyncio.Task[Any]] = {}
        self._places = asyncio.Semaphore(_PARALLEL)
        self._removals: dict[str, asyncio.Lock] = {}
        self._journal = Journal(images.root)

    def _skopeo(self) -> Skopeo:
        config = self._config()
        scratch = pathlib.Path(config.big_files_temporary_dir or f"{config.root}/pulls")
        return Skopeo(config.skopeo, scratch, config.stall_seconds)

    async def pull(self, name: str, credentials: Credentials | None, namespace: str = "") -> str:
        """Pull an image for a pod of ``namespace``; returns its id. Joins a pull of the same that is under way.

        Raises:
            InvalidArgument: the name is not one, or may mean several.
            NotFound, PullFailed, ResourceExhausted: as the registry answered, in skopeo's words.
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
            kind = errors.ResourceExhausted if error.errno == errno.ENOSPC else errors.Internal
            return kind(f"cannot pull {name}: {error}")

    async def _pull(self, name: str, credentials: Credentials | None, policy: str) -> str:
        try:
            candidates = await asyncio.to_thread(self._registries.to_pull, name)
        except ValueError as error:
            raise errors.InvalidArgument(str(error)) from error
        failures: list[errors.CRIError] = []
        for full in candidates:
            begun = time.monotonic()
            try:
                async with self._places, self._recorded():
                    words = await self._copy(full, credentials, policy)
            except errors.CRIError as error:
                metrics.IMAGE_PULLS_FAILURE.inc(pull_outcome.label(str(error)))
                failures.append(error)
                continue
            image = await asyncio.to_thread(self._images.find, full)
            if image is None:
                raise errors.Internal(f"image {full} was pulled but is not in the store")
            await asyncio.to_thread(self._count, image, full, pull_outcome.loaded(words))
            source, seconds = pull_outcome.served_by(words), round(time.monotonic() - begun, 2)
            _log.info("Image pulled", image=full, id=image.id, source=source, seconds=seconds)
            return image.id
        if len(failures) == 1:
            raise failures[0]
        raise type(failures[-1])("; ".join(str(failure) for failure in failures))

    @contextlib.asynccontextmanager
    async def _recorded(self) -> AsyncIterator[None]:
        """Keep an entry in the journal until the disk has all of a pull; nobody waits for that."""
        entry = await asyncio.to_thread(self._journal.begin)
        try:
            yield
        finally:
            self._tasks.spawn(self._settle(entry), name="settle")

    async def _settle(self, entry: pathlib.Path) -> None:
        try:
            await asyncio.to_thread(self._journal.settle, entry)
        except OSError as error:
            _log.warning("Cannot bring a pull to the disk", cause=str(error))

    def _count(self, image: Image, name: str, loaded: set[str]) -> None:
        metrics.IMAGE_PULLS_SUCCESS.inc()
        for layer in self._images.manifest(image.id).get("layers") or ():
            metrics.observe_layer(name, layer, loaded=layer.get("digest") in loaded)

    async def _copy(self, name: str, credentials: Credentials | None, policy: str) -> str:
        config = self._config()
        parsed = reference.parse(name)
        source = parsed._replace(tag="") if parsed.digest else parsed
        command = ["--debug"]  # how it tells which mirror served, and which layers were loaded
        if policy:
            command += ["--policy", policy]
        if config.registries_conf:
            command += ["--registries-conf", config.registries_conf]
        command += ["copy", "--quiet"]
        if registries_conf.is_listed(parsed.registry, config.insecure_registries):
            command.append("--src-tls-verify=false")
        with contextlib.ExitStack() as stack:
            if credentials is not None:
                file = auth.auth_file(parsed.registry, credentials, config.state, config.global_auth_file)
                command += ["--src-authfile", stack.enter_context(file)]
            elif config.global_auth_file:
                command += ["--src-authfile", config.global_auth_file]
            command += [f"docker://{source}", f"containers-storage:{self._store()}{source}"]
            return await self._run(command, name)

    @property
    def busy(self) -> bool:
        """Whether a pull is under way."""
        return bool(self._jobs)

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
        config = self._config()
        return f"[overlay@{config.root}+{config.runroot}]"

    async def _run(self, arguments: list[str], name: str) -> str:
        code, words = await self._skopeo().run(arguments, name)
        if code != 0:
            raise pull_outcome.failure(name, code, words)
        return words

    def clean(self) -> None:
        """Delete the temporary files of copies that were killed."""
        self._skopeo().clean()

    def _policy(self, namespace: str) -> str:
        """The signature policy for pods of a namespace: its own file, if there is one, or everybody's."""
        config = self._config()
        if config.signature_policy_dir and namespace:
            own = pathlib.Path(config.signature_policy_dir) / f"{namespace}.json"
            if own.is_file():
                return str(own)
        return config.signature_policy
