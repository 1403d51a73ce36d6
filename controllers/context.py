"""What every controller is given: the API, shared informers, event recorders, the flags."""

from dataclasses import dataclass, field

from apimachinery.client.events import EventRecorder
from apimachinery.client.informer import InformerFactory
from apimachinery.client.rest import Client
from component.clock import Clock
from controllers.options import Options


@dataclass(frozen=True, slots=True)
class Context:
    """Shared parts of the controllers.

    Attributes:
        recorders: Those that were asked for; the manager runs them.
    """

    client: Client
    informers: InformerFactory
    options: Options
    clock: Clock
    recorders: list[EventRecorder] = field(default_factory=list)

    def recorder(self, component: str) -> EventRecorder:
        """An event recorder under a controller's own name."""
        made = EventRecorder(self.client, component, clock=self.clock)
        self.recorders.append(made)
        return made
