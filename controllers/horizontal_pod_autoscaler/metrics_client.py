"""Readings from the metrics APIs that others serve: metrics.k8s.io, custom.metrics.k8s.io, external.metrics.k8s.io."""

import datetime
from typing import Any

import orjson

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj, name
from apimachinery.objects.quantity import milli_value
from apimachinery.objects.times import parse_time
from apimachinery.resources import Resource
from component.flags import parse_duration
from controllers.horizontal_pod_autoscaler.pod_groups import MetricError, Reading

_OK = 200
_MINUTE = 60.0


def pod_readings(items: list[Obj], resource: str, container: str) -> dict[str, Reading]:
    """What pods use of a resource, by pod; pods that don't tell it of all their containers are left out.

    Args:
        items: PodMetrics.
        resource: Such as cpu.
        container: The one that counts; empty for all of a pod.

    Raises:
        MetricError: if a pod does not have the container.
    """
    found = {}
    for item in items:
        listed = item.get("containers") or []
        if container:
            listed = [one for one in listed if one.get("name") == container]
            if not listed:
                space = item["metadata"].get("namespace", "")
                raise MetricError(f"container {container} not present in metrics for pod {space}/{name(item)}")
        used = [(one.get("usage") or {}).get(resource) for one in listed]
        if used and None not in used:
            total = sum(milli_value(value) for value in used)
            found[name(item)] = Reading(total, _at(item), parse_duration(item.get("window") or "0"))
    return found


def _at(item: Obj) -> datetime.datetime:
    return parse_time(item["timestamp"])


class MetricsClient:
    """Asks the metrics APIs; what they lack or get wrong is a MetricError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def resource(self, space: str, resource: str, selector: str, container: str) -> dict[str, Reading]:
        """What the selected pods use of a resource."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{space}/pods"
        try:
            items = (await self._get(path, labelSelector=selector)).get("items") or []
        except errors.APIError as error:
            raise MetricError(f"unable to fetch metrics from resource metrics API: {error.message}") from error
        if not items:
            raise MetricError("no metrics returned from resource metrics API")
        return pod_readings(items, resource, container)

    async def pods(self, space: str, metric: Obj, selector: str, metric_selector: str) -> dict[str, Reading]:
        """A custom metric of the selected pods."""
        items = await self._custom(f"namespaces/{space}/pods/*/{metric['name']}", selector, metric_selector)
        if not items:
            raise MetricError("no metrics returned from custom metrics API")
        return {
            item["describedObject"]["name"]: Reading(
                milli_value(item["value"]), _at(item), float(item.get("windowSeconds") or _MINUTE)
            )
            for item in items
        }

    async def object(self, space: str, resource: Resource, title: str, metric: Obj, metric_selector: str) -> int:
        """A custom metric of one object, in thousandths."""
        if resource.group_resource == "namespaces":
            path = f"namespaces/{title}/metrics/{metric['name']}"
        else:
            path = f"namespaces/{space}/{resource.group_resource}/{title}/{metric['name']}"
        items = await self._custom(path, "", metric_selector)
        if not items:
            raise MetricError("no metrics returned from custom metrics API")
        return milli_value(items[0]["value"])

    async def external(self, space: str, metric: Obj, metric_selector: str) -> int:
        """The sum of an external metric's values, in thousandths."""
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{space}/{metric['name']}"
        try:
            items = (await self._get(path, labelSelector=metric_selector)).get("items") or []
        except errors.APIError as error:
            raise MetricError(f"unable to fetch metrics from external metrics API: {error.message}") from error
        if not items:
            raise MetricError("no metrics returned from external metrics API")
        return sum(milli_value(item["value"]) for item in items)

    async def _custom(self, path: str, selector: str, metric_selector: str) -> list[Obj]:
        try:
            group = await self._get("/apis/custom.metrics.k8s.io")
            version = (group.get("preferredVersion") or {}).get("groupVersion") or "custom.metrics.k8s.io/v1beta2"
            found = await self._get(
                f"/apis/{version}/{path}", labelSelector=selector, metricLabelSelector=metric_selector
            )
        except errors.APIError as error:
            raise MetricError(f"unable to fetch metrics from custom metrics API: {error.message}") from error
        items: list[Obj] = found.get("items") or []
        return items

    async def _get(self, path: str, **params: str) -> Obj:
        given = {key: value for key, value in params.items() if value}
        status, body = await self._client.raw("GET", path, params=given)
        try:
            found: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            found = None
        if status == _OK and isinstance(found, dict):
            return found
        if isinstance(found, dict) and found.get("kind") == "Status":
            raise errors.from_status(found)
        raise errors.APIError(body.decode(errors="replace")[:500] or f"HTTP {status}", code=status)
