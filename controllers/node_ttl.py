"""How long a kubelet may keep Secrets and ConfigMaps without asking: an annotation that grows with the cluster."""

from apimachinery.client.informer import Event
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import annotations, name
from controllers.context import Context

ANNOTATION = "node.alpha.kubernetes.io/ttl"
# (at least so many nodes, at most so many, seconds); they overlap, so that a node more or less changes nothing.
_STEPS = (
    (0, 100, 0),
    (90, 500, 15),
    (450, 1000, 30),
    (900, 2000, 60),
    (1800, 10000, 150),
    (9000, 2**31, 300),
)


def step_for(nodes: int, step: int) -> int:
    """The step of a cluster of so many nodes that has been on a step."""
    while step > 0 and nodes < _STEPS[step][0]:
        step -= 1
    while step < len(_STEPS) - 1 and nodes > _STEPS[step][1]:
        step += 1
    return step


class _NodeTTL:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._nodes = context.informers.informer("nodes")
        self._step = 0
        self.controller = Controller("ttl-controller", self._reconcile, workers=1)
        self._nodes.add_handler(self._changed)
        self.controller.follow(self._nodes)

    def _changed(self, event: Event) -> None:
        if event.type == "MODIFIED" and event.old is not None and self._told(event.old) == self._told(event.new):
            return
        step = step_for(len(self._nodes.store), self._step)
        changed = [event.new] if step == self._step else self._nodes.store.list()
        self._step = step
        for node in changed:
            self.controller.queue.add(name(node))

    def _told(self, node: dict[str, object]) -> str | None:
        return annotations(node).get(ANNOTATION)

    async def _reconcile(self, key: str) -> None:
        node = self._nodes.store.get_key(key)
        wanted = str(_STEPS[self._step][2])
        if node is not None and self._told(node) != wanted:
            await self._client.patch("nodes", key, {"metadata": {"annotations": {ANNOTATION: wanted}}})


def new(context: Context) -> Controller:
    """Wire the controller."""
    return _NodeTTL(context).controller
