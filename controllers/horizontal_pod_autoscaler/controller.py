"""HorizontalPodAutoscalers: as many pods as their metrics ask for.

The decisions stand in `replica_calculator` (what a metric asks for), `pod_groups` (which pods count) and `behavior`
(how fast it is followed). Talks to the API server and, through it, to the metrics APIs. Each autoscaler is looked at
every --horizontal-pod-autoscaler-sync-period; without autoscalers nothing happens.
"""

import contextlib
from collections.abc import Callable, Iterable

from apimachinery import errors
from apimachinery.client.informer import Event
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import set_condition
from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.metadata import Obj, key, labels, name, namespace
from apimachinery.objects.owner_references import controller_of
from apimachinery.objects.selectors import SelectorError
from apimachinery.objects.times import now as now_text
from apimachinery.resources import lookup
from controllers.context import Context
from controllers.horizontal_pod_autoscaler.behavior import Memory, decide, longest_memory, tolerances
from controllers.horizontal_pod_autoscaler.metric_sources import MetricSources, Proposal, Target
from controllers.horizontal_pod_autoscaler.pod_groups import MetricError
from controllers.horizontal_pod_autoscaler.scale_target import ScaleTarget

_COMPONENT = "horizontal-pod-autoscaler"
_REASONS = {
    "Resource": "FailedGetResourceMetric",
    "ContainerResource": "FailedGetContainerResourceMetric",
    "Pods": "FailedGetPodsMetric",
    "Object": "FailedGetObjectMetric",
    "External": "FailedGetExternalMetric",
}
_WHAT: dict[str, Callable[[Obj], str]] = {
    "Resource": lambda spec: f"failed to get {spec['resource']['name']} resource metric value",
    "ContainerResource": lambda spec: f"failed to get {spec['containerResource']['container']} container metric value",
    "Pods": lambda _: "failed to get pods metric value",
    "Object": lambda _: "failed to get object metric value",
    "External": lambda spec: f"failed to get {spec['external']['metric']['name']} external metric value",
}


def new(context: Context) -> Controller:
    """Wire the controller."""
    return HorizontalPodAutoscalers(context).controller


class _UnableError(Exception):
    """No number of replicas can be told; events and conditions have said so."""


class HorizontalPodAutoscalers:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder(_COMPONENT)
        self._resource = lookup("horizontalpodautoscalers.autoscaling")
        self._autoscalers = context.informers.informer(self._resource)
        self._pods = context.informers.informer("pods")
        self._sources = MetricSources(context.client)
        self._memories: dict[str, Memory] = {}
        self._period = context.options.horizontal_pod_autoscaler_sync_period
        self.controller = Controller(_COMPONENT, self._reconcile, workers=5)
        self._autoscalers.add_handler(self._changed)
        for informer in (self._autoscalers, self._pods):
            self.controller.follow(informer)

    def _changed(self, event: Event) -> None:
        # Its own status, which is written each time, gives no new reason to look.
        if event.old is None or event.type == "DELETED" or event.old.get("spec") != event.new.get("spec"):
            self.controller.queue.add(key(event.new))

    async def _reconcile(self, one: str) -> Result | None:
        known = self._autoscalers.store.get_key(one)
        if known is None:
            self._memories.pop(one, None)
            return None
        live = {**known, "apiVersion": self._resource.api_version, "kind": self._resource.kind}
        status: Obj = {**(live.get("status") or {})}
        with contextlib.suppress(_UnableError):
            await self._scale(one, live, status)
        if status != live.get("status"):
            await self._client.update(self._resource, {**live, "status": status}, subresource="status")
        return Result(requeue_after=self._period)

    def _tell(self, status: Obj, kind: str, value: str, reason: str, message: str) -> None:
        condition = {"type": kind, "status": value, "reason": reason, "message": message}
        status["conditions"] = set_condition(status.get("conditions") or (), condition, now_text(self._clock))

    async def _scale(self, one: str, live: Obj, status: Obj) -> None:
        spec = live["spec"]
        target = ScaleTarget(self._client, spec["scaleTargetRef"], namespace(live))
        try:
            scale = await target.read()
        except errors.APIError as error:
            self._recorder.event(live, "Warning", "FailedGetScale", error.message)
            text = f"the HPA controller was unable to get the target's current scale: {error.message}"
            self._tell(status, "AbleToScale", "False", "FailedGetScale", text)
            raise _UnableError from error
        text = "the HPA controller was able to get the target's current scale"
        self._tell(status, "AbleToScale", "True", "SucceededGetScale", text)
        current = int((scale.get("spec") or {}).get("replicas") or 0)
        status["currentReplicas"] = current
        now = self._clock.monotonic()
        memory = self._memories.setdefault(one, Memory([(now, current)]))
        memory.forget(now - longest_memory(spec))
        least, most = int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])
        shown = status.pop("currentMetrics", None)
        if not current:
            text = "scaling is disabled since the replica count of the target is zero"
            self._tell(status, "ScalingActive", "False", "ScalingDisabled", text)
            wanted, reason = 0, ""
        elif current > most:
            wanted, reason = most, "Current number of replicas above Spec.MaxReplicas"
        elif current < least:
            wanted, reason = least, "Current number of replicas below Spec.MinReplicas"
        else:
            if shown is not None:
                status["currentMetrics"] = shown
            wanted, reason = await self._follow_metrics(live, status, scale, memory)
        if wanted != current:
            await self._write(live, status, target, scale, wanted, reason)
            memory.changes.append((now, wanted - current))
            status["lastScaleTime"] = now_text(self._clock)
        status["desiredReplicas"] = wanted

    async def _follow_metrics(self, live: Obj, status: Obj, scale: Obj, memory: Memory) -> tuple[int, str]:
        """The number that the metrics ask for, within the limits, and why."""
        spec, current = live["spec"], status["currentReplicas"]
        best, shown = await self._ask(live, status, self._target(live, status, scale))
        decision = decide(spec, current, best.replicas, memory, self._clock.monotonic())
        self._tell(status, "AbleToScale", "True", *decision.able)
        self._tell(status, "ScalingLimited", str(decision.limited), *decision.limit)
        status["currentMetrics"] = shown
        return (
            decision.replicas,
            f"{best.metric} above target" if best.replicas > current else "All metrics below target",
        )

    def _target(self, live: Obj, status: Obj, scale: Obj) -> Target:
        text = (scale.get("status") or {}).get("selector") or ""
        if not text:
            self._recorder.event(live, "Warning", "SelectorRequired", "selector is required")
            problem = "the HPA target's scale is missing a selector"
            raise self._without_selector(live, status, "InvalidSelector", problem, "selector is required")
        try:
            selector = parse_label_selector(text)
        except SelectorError as error:
            problem = f"couldn't convert selector into a corresponding internal selector object: {error}"
            self._recorder.event(live, "Warning", "InvalidSelector", problem)
            raise self._without_selector(live, status, "InvalidSelector", problem, problem) from error
        pods = [pod for pod in self._pods.store.list(namespace(live)) if selector.matches(labels(pod))]
        others = sorted({f"{namespace(live)}/{name(other)}" for other in self._scaling(live, pods)})
        if len(others) > 1:
            problem = f"pods by selector {text} are controlled by multiple HPAs: [{' '.join(others)}]"
            self._recorder.event(live, "Warning", "AmbiguousSelector", problem)
            raise self._without_selector(live, status, "AmbiguousSelector", problem, problem)
        return Target(
            space=namespace(live),
            wanted=status["currentReplicas"],
            there=int((scale.get("status") or {}).get("replicas") or 0),
            selector=text,
            pods=pods,
            tolerances=tolerances(live["spec"]),
            now=self._clock.now(),
        )

    def _without_selector(self, live: Obj, status: Obj, reason: str, shown: str, problem: str) -> _UnableError:
        self._tell(status, "ScalingActive", "False", reason, shown)
        self._recorder.event(live, "Warning", "FailedComputeMetricsReplicas", problem)
        return _UnableError()

    def _scaling(self, live: Obj, pods: list[Obj]) -> Iterable[Obj]:
        """The autoscalers whose targets own pods: this one, and others by mistake."""
        owners = {self._owner(pod) for pod in pods}
        for other in self._autoscalers.store.list(namespace(live)):
            reference = other["spec"]["scaleTargetRef"]
            if name(other) == name(live) or (reference["kind"], reference["name"]) in owners:
                yield other

    def _owner(self, pod: Obj) -> tuple[str, str]:
        reference = controller_of(pod) or {}
        kind, title = reference.get("kind", ""), reference.get("name", "")
        digest = labels(pod).get("pod-template-hash")
        if kind == "ReplicaSet" and digest and title.endswith(f"-{digest}"):
            return "Deployment", title.removesuffix(f"-{digest}")
        return kind, title

    async def _ask(self, live: Obj, status: Obj, target: Target) -> tuple[Proposal, list[Obj]]:
        """The metric that asks for the most, and what is shown of all."""
        found: list[Proposal] = []
        shown: list[Obj] = []
        problems: list[tuple[str, str, str]] = []
        specs = live["spec"].get("metrics") or []
        for spec in specs:
            try:
                proposal = await self._sources.propose(spec, target)
            except MetricError as error:
                self._recorder.event(live, "Warning", _REASONS[spec["type"]], str(error))
                problems.append((_REASONS[spec["type"]], str(error), f"{_WHAT[spec['type']](spec)}: {error}"))
                shown.append({"type": ""})
                continue
            found.append(proposal)
            shown.append(proposal.status)
        best = max(found, key=lambda one: one.replicas, default=None)
        if best is None or (problems and best.replicas < target.wanted):
            # Where one metric is unknown, the others can't tell that there is too much.
            reason, problem, first = problems[0]
            text = f"the HPA was unable to compute the replica count: {problem}"
            self._tell(status, "ScalingActive", "False", reason, text)
            count = f"{len(problems)} invalid out of {len(specs)}"
            text = f"invalid metrics ({count}), first error is: {first}"
            self._recorder.event(live, "Warning", "FailedComputeMetricsReplicas", text)
            raise _UnableError
        text = f"the HPA was able to successfully calculate a replica count from {best.metric}"
        self._tell(status, "ScalingActive", "True", "ValidMetricFound", text)
        return best, shown

    async def _write(self, live: Obj, status: Obj, target: ScaleTarget, scale: Obj, wanted: int, reason: str) -> None:
        try:
            await target.write(scale, wanted)
        except errors.APIError as error:
            text = f"New size: {wanted}; reason: {reason}; error: {error.message}"
            self._recorder.event(live, "Warning", "FailedRescale", text)
            text = f"the HPA controller was unable to update the target scale: {error.message}"
            self._tell(status, "AbleToScale", "False", "FailedUpdateScale", text)
            raise _UnableError from error
        self._recorder.event(live, "Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {reason}")
        text = f"the HPA controller was able to update the target scale to {wanted}"
        self._tell(status, "AbleToScale", "True", "SucceededRescale", text)
