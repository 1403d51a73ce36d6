"""The one loop of all controllers: watches put keys into a queue, workers reconcile them.

A reconciler that raises is tried again after a back-off; conflicts, which are part of life, without a word in the log.
"""

from collections.abc import Awaitable, Callable, Iterable

from apimachinery import errors
from apimachinery.client.informer import Event, Informer
from apimachinery.controller.reconciler import Reconcile
from apimachinery.controller.work_queue import WorkQueue
from apimachinery.objects.metadata import Obj, key
from component.logging import get_logger
from component.tasks import Tasks

_LOG = get_logger("controller")
_QUIET = (errors.Conflict, errors.NotFound, errors.ServiceUnavailable, errors.Timeout)

Keys = Callable[[Obj], Iterable[str]]


def own_key(obj: Obj) -> tuple[str, ...]:
    """The object's own key: for watches of the kind that a controller is about."""
    return (key(obj),)


class Controller:
    """A queue, its watches and its workers.

    Args:
        name: Shown in logs.
        reconcile: What to do with a key.
        workers: How many keys are worked on at once.
    """

    def __init__(self, name: str, reconcile: Reconcile, *, workers: int = 4, queue: WorkQueue | None = None) -> None:
        self.name = name
        self.queue = queue or WorkQueue()
        self._reconcile = reconcile
        self._workers = workers
        self._informers: list[Informer] = []
        self._beside: list[Callable[[], Awaitable[None]]] = []

    def watch(self, informer: Informer, keys: Keys = own_key) -> None:
        """Put the keys that a function tells of a changed object (its old and its new state) into the queue."""

        def changed(event: Event) -> None:
            for one in keys(event.new):
                self.queue.add(one)
            if event.old is not None and event.old is not event.new:
                for one in keys(event.old):
                    self.queue.add(one)

        self.follow(informer)
        informer.add_handler(changed)

    def follow(self, informer: Informer) -> None:
        """Read an informer's store (and wait for it before work begins) without being told of its changes."""
        self._informers.append(informer)

    def beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run something for as long as the controller runs, beside its workers."""
        self._beside.append(work)

    async def run(self) -> None:
        """Wait until what is watched is known, then work until cancelled."""
        for informer in self._informers:
            await informer.wait_for_sync()
        async with Tasks() as tasks:
            for work in self._beside:
                tasks.spawn(work, name=f"{self.name} beside", restart=True)
            for number in range(self._workers):
                tasks.spawn(self._work(), name=f"{self.name} {number}")
            await tasks.wait()

    async def _work(self) -> None:
        while True:
            one = await self.queue.get()
            try:
                result = await self._reconcile(one)
            except _QUIET as error:
                _LOG.debug("Trying again", controller=self.name, key=one, why=error)
                self.queue.add_rate_limited(one)
            except Exception as error:  # noqa: BLE001 - one key's fault must not end the controller
                _LOG.error("Reconciler failed", controller=self.name, key=one, error=error)
                self.queue.add_rate_limited(one)
            else:
                self.queue.forget(one)
                if result is not None and result.requeue_after is not None:
                    self.queue.add_after(one, result.requeue_after)
            finally:
                self.queue.done(one)
