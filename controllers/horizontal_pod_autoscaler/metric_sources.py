"""What each kind of metric source of an autoscaler asks for: a number of replicas and what is shown of it."""

import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj
from apimachinery.objects.pods import is_ready
from apimachinery.objects.quantity import format_quantity, milli_value
from apimachinery.objects.selectors import from_label_selector
from controllers.horizontal_pod_autoscaler.metrics_client import MetricsClient
from controllers.horizontal_pod_autoscaler.pod_groups import Groups, MetricError, Reading, group, requests
from controllers.horizontal_pod_autoscaler.replica_calculator import (
    Tolerances,
    Use,
    Values,
    average,
    by_pods,
    by_ratio,
    by_share,
    utilization,
)
from controllers.horizontal_pod_autoscaler.scale_target import find_resource


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled, as it is now.

    Attributes:
        space: Its namespace.
        wanted: Replicas asked for.
        there: Replicas there are.
        selector: Of its pods, as text.
        pods: They.
        tolerances: Of the autoscaler.
        now: The time.
    """

    space: str
    wanted: int
    there: int
    selector: str
    pods: list[Obj]
    tolerances: Tolerances
    now: datetime.datetime

    def ready(self) -> int:
        """How many pods are ready.

        Raises:
            MetricError: if there is no pod.
        """
        if not self.pods:
            raise MetricError("no pods returned by selector while calculating replica count")
        return sum((pod.get("status") or {}).get("phase") == "Running" and is_ready(pod) for pod in self.pods)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for.

    Attributes:
        replicas: The number.
        metric: The metric in words.
        status: As status.currentMetrics shows it.
    """

    replicas: int
    metric: str
    status: Obj


def _text(milli: int) -> str:
    return format_quantity(Decimal(milli) / 1000)


def _matching(metric: Obj) -> str:
    return str(from_label_selector(metric["selector"])) if metric.get("selector") else ""


def _identity(metric: Obj) -> Obj:
    return {key: metric[key] for key in ("name", "selector") if metric.get(key)}


class MetricSources:
    """Asks for metrics and tells what they ask for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._metrics = MetricsClient(client)
        self._kinds: dict[str, tuple[str, Callable[[Obj, Target], Awaitable[Proposal]]]] = {
            "Resource": ("resource", self._resource),
            "ContainerResource": ("containerResource", self._container_resource),
            "Pods": ("pods", self._pods),
            "Object": ("object", self._object),
            "External": ("external", self._external),
        }

    async def propose(self, spec: Obj, target: Target) -> Proposal:
        """What a metric asks for.

        Args:
            spec: One of an autoscaler's spec.metrics.
            target: What is scaled.

        Raises:
            MetricError: in upstream's words.
        """
        field, ask = self._kinds[spec["type"]]
        try:
            found = await ask(spec[field], target)
        except (KeyError, TypeError, ValueError) as error:
            raise MetricError(f"unable to understand what the metrics API tells: {error!r}") from error
        return Proposal(found.replicas, found.metric, {"type": spec["type"], field: found.status})

    async def _resource(self, source: Obj, target: Target) -> Proposal:
        return await self._used(source, target, "", "resource utilization (percentage of request)")

    async def _container_resource(self, source: Obj, target: Target) -> Proposal:
        words = "container resource utilization (percentage of request)"
        found = await self._used(source, target, source["container"], words)
        return Proposal(found.replicas, found.metric, {**found.status, "container": source["container"]})

    async def _used(self, source: Obj, target: Target, container: str, words: str) -> Proposal:
        resource, goal = source["name"], source["target"]
        by_value = goal.get("averageValue") is not None
        what = f"failed to get {resource} {'usage' if by_value else 'utilization'}"
        try:
            readings = await self._metrics.resource(target.space, resource, target.selector, container)
        except MetricError as error:
            raise MetricError(f"{what}: unable to get metrics for resource {resource}: {error}") from error
        try:
            if by_value:
                replicas, use = _plain(readings, milli_value(goal["averageValue"]), target, resource)
                status = {"averageValue": _text(use.average)}
                return Proposal(replicas, f"{resource} resource", {"name": resource, "current": status})
            replicas, use = _utilized(readings, int(goal["averageUtilization"]), target, resource, container)
        except MetricError as error:
            raise MetricError(f"{what}: {error}") from error
        shown: Obj = {"averageUtilization": use.percent, "averageValue": _text(use.average)}
        return Proposal(replicas, f"{resource} {words}", {"name": resource, "current": shown})

    async def _pods(self, source: Obj, target: Target) -> Proposal:
        metric = source["metric"]
        try:
            readings = await self._metrics.pods(target.space, metric, target.selector, _matching(metric))
        except MetricError as error:
            raise MetricError(f"unable to get metric {metric['name']}: {error}") from error
        replicas, use = _plain(readings, milli_value(source["target"]["averageValue"]), target, "")
        status = {"metric": _identity(metric), "current": {"averageValue": _text(use.average)}}
        return Proposal(replicas, f"pods metric {metric['name']}", status)

    async def _object(self, source: Obj, target: Target) -> Proposal:
        metric, about, goal = source["metric"], source["describedObject"], source["target"]
        try:
            resource = await find_resource(self._client, about.get("apiVersion") or "v1", about["kind"])
            value = await self._metrics.object(target.space, resource, about["name"], metric, _matching(metric))
        except (MetricError, errors.APIError) as error:
            where = f"{about['kind']} {target.space}/{about['name']}"
            raise MetricError(f"unable to get metric {metric['name']}: {where}/{error}") from error
        replicas, current = _shared(value, goal, target)
        status = {"metric": _identity(metric), "describedObject": about, "current": current}
        return Proposal(replicas, f"{about['kind']} metric {metric['name']}", status)

    async def _external(self, source: Obj, target: Target) -> Proposal:
        metric = source["metric"]
        try:
            value = await self._metrics.external(target.space, metric, _matching(metric))
        except MetricError as error:
            where = f"{target.space}/{metric['name']}/{_matching(metric)}"
            raise MetricError(f"unable to get external metric {where}: {error}") from error
        replicas, current = _shared(value, source["target"], target)
        shown = f"external metric {metric['name']}({_matching(metric)})"
        return Proposal(replicas, shown, {"metric": _identity(metric), "current": current})


def _groups(readings: dict[str, Reading], target: Target, resource: str) -> Groups:
    if not target.pods:
        raise MetricError("no pods returned by selector while calculating replica count")
    return group(target.pods, readings, resource, target.now)


def _plain(readings: dict[str, Reading], goal: int, target: Target, resource: str) -> tuple[int, Use]:
    groups = _groups(readings, target, resource)
    measure: Callable[[Values], Use] = lambda values: average(values, goal)  # noqa: E731
    return by_pods(target.wanted, groups, readings, measure, lambda _: goal, target.tolerances)


def _utilized(
    readings: dict[str, Reading], goal: int, target: Target, resource: str, container: str
) -> tuple[int, Use]:
    groups = _groups(readings, target, resource)
    if not readings:
        raise MetricError("did not receive metrics for targeted pods (pods might be unready)")
    asked = requests(target.pods, resource, container)
    measure: Callable[[Values], Use] = lambda values: utilization(values, asked, goal)  # noqa: E731
    assumed: Callable[[str], int] = lambda title: asked[title] * max(100, goal) // 100  # noqa: E731
    return by_pods(target.wanted, groups, readings, measure, assumed, target.tolerances)


def _shared(value: int, goal: Obj, target: Target) -> tuple[int, Obj]:
    """Replicas for one value, whole or per pod; and what is shown of it."""
    if goal.get("averageValue") is not None:
        replicas, share = by_share(target.there, value, milli_value(goal["averageValue"]), target.tolerances)
        return replicas, {"averageValue": _text(share)}
    ratio = value / milli_value(goal["value"])
    ready = target.ready() if target.wanted else 0
    return by_ratio(target.wanted, ratio, ready, target.tolerances), {"value": _text(value)}
