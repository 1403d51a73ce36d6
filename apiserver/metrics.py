"""The server's metrics under upstream's names."""

from __future__ import annotations

from apiserver.admission.metrics import AdmissionMetrics
from component.metrics import Registry

_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)


class Metrics:
    """What is counted per request, and what is looked up when asked."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.admission = AdmissionMetrics(self.registry)
        self.requests = self.registry.counter(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, group, version, resource, scope and code.",
            "verb",
            "dry_run",
            "group",
            "version",
            "resource",
            "subresource",
            "code",
        )
        self.durations = self.registry.histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb and resource.",
            "verb",
            "group",
            "version",
            "resource",
            buckets=_SECONDS,
        )
        self.inflight = self.registry.gauge(
            "apiserver_current_inflight_requests", "Requests being answered right now.", "request_kind"
        )
        self.watchers = self.registry.gauge("apiserver_longrunning_requests", "Open watches and streams.", "verb")
        self.objects = self.registry.gauge("apiserver_resource_objects", "Stored objects per resource.", "resource")
        self._flow_control()

    def _flow_control(self) -> None:
        declare, level, schema = self.registry, "priority_level", "flow_schema"
        about = "apiserver_flowcontrol_"
        self.rejected = declare.counter(
            f"{about}rejected_requests_total", "Requests turned away.", level, schema, "reason"
        )
        self.dispatched = declare.counter(f"{about}dispatched_requests_total", "Requests let in.", level, schema)
        self.waited = declare.histogram(
            f"{about}request_wait_duration_seconds", "How long requests let in have waited.", schema, level
        )
        self.executing = declare.gauge(f"{about}current_executing_requests", "Requests being answered.", level)
        self.queued = declare.gauge(f"{about}current_inqueue_requests", "Requests that wait.", level)
        self.seats_nominal = declare.gauge(f"{about}nominal_limit_seats", "Seats a level is meant to have.", level)
        self.seats_minimum = declare.gauge(f"{about}lower_limit_seats", "Seats nobody else may take.", level)
        self.seats_maximum = declare.gauge(f"{about}upper_limit_seats", "Seats it may hold with borrowed ones.", level)

    def count(self, labels: tuple[str, str, str, str, str, str], code: int, seconds: float) -> None:
        """Count a finished request: labels are verb, dry run, group, version, resource, subresource."""
        self.requests.inc(*labels, str(code))
        verb, _, group, version, resource, _ = labels
        self.durations.observe(verb, group, version, resource, value=seconds)
