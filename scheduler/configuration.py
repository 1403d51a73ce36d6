"""KubeSchedulerConfiguration: the file behind `--config`, turned into profiles.

Talks to nothing but the file. Understood: `profiles` with `plugins` (enabled and
disabled, `multiPoint` included, with weights) and `pluginConfig`, back-off times,
`percentageOfNodesToScore`. Anything it can't honour is an error, not a silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduler.framework import Plugin
from scheduler.plugins.registry import BUILT_IN, BY_NAME, PLUGINS
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.pod_info import DEFAULT_SCHEDULER_NAME
from scheduler.profile import Profile

_API_VERSION = "kubescheduler.config.k8s.io/v1"
_KIND = "KubeSchedulerConfiguration"


class ConfigurationError(Exception):
    """The configuration file can't be honoured."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file decides."""

    profiles: dict[str, Profile]
    initial_backoff: float = 1.0
    max_backoff: float = 10.0
    kubeconfig: str = ""


def load(path: str) -> Configuration:
    """Reads the file; an empty path gives the defaults.

    Raises:
        ConfigurationError: if the file is unreadable, or asks for something unknown.
    """
    if not path:
        return parse({})
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"couldn't load {path}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: not a {_KIND}")
    if document.get("apiVersion") != _API_VERSION or document.get("kind") != _KIND:
        raise ConfigurationError(
            f"{path}: no kind {document.get('kind')!r} is registered for version {document.get('apiVersion')!r}; "
            f"expected {_KIND} in {_API_VERSION}"
        )
    return parse(document)


def parse(document: dict[str, Any]) -> Configuration:
    """Turns the document into profiles.

    Raises:
        ConfigurationError: if it names an unknown plugin or an unsupported part.
    """
    if document.get("extenders"):
        raise ConfigurationError("extenders: not supported")
    percentage = int(document.get("percentageOfNodesToScore") or 0)
    profiles: dict[str, Profile] = {}
    for raw in document.get("profiles") or [{}]:
        profile = _profile(raw, int(raw.get("percentageOfNodesToScore") or percentage))
        if profile.scheduler_name in profiles:
            raise ConfigurationError(f"profiles: duplicate schedulerName {profile.scheduler_name!r}")
        profiles[profile.scheduler_name] = profile
    initial = float(document.get("podInitialBackoffSeconds") or 1)
    maximum = float(document.get("podMaxBackoffSeconds") or 10)
    if initial <= 0 or maximum < initial:
        raise ConfigurationError("podMaxBackoffSeconds must be at least podInitialBackoffSeconds, both above 0")
    return Configuration(
        profiles, initial, maximum, str((document.get("clientConnection") or {}).get("kubeconfig") or "")
    )


def _profile(raw: dict[str, Any], percentage: int) -> Profile:
    arguments = {item["name"]: item.get("args") or {} for item in raw.get("pluginConfig") or ()}
    points = raw.get("plugins") or {}
    for name in _mentioned(points) | set(arguments):
        if name not in BY_NAME and name not in BUILT_IN:
            raise ConfigurationError(f"plugin {name!r} does not exist")
    made: dict[str, Plugin] = {row.name: row.make(arguments.get(row.name, {})) for row in PLUGINS}
    weights = {row.name: row.weight for row in PLUGINS}
    weights.update(_weights(points.get("multiPoint") or {}))
    weights.update(_weights(points.get("score") or {}))

    def active(*names: str) -> list[Plugin]:
        off = _disabled(points.get("multiPoint") or {}).union(*(_disabled(points.get(n) or {}) for n in names))
        on = _enabled(points.get("multiPoint") or {}).union(*(_enabled(points.get(n) or {}) for n in names))
        return [p for name, p in made.items() if (name not in off and "*" not in off) or name in on]

    filters = tuple(p for p in active("filter", "preFilter") if p.overrides("filter"))
    return Profile(
        scheduler_name=str(raw.get("schedulerName") or DEFAULT_SCHEDULER_NAME),
        gates=tuple(p for p in active("preEnqueue") if p.overrides("pre_enqueue")),
        filters=filters,
        scorers=tuple((p, max(weights[p.name], 1)) for p in active("score", "preScore") if p.overrides("score")),
        volumes=next((p for p in filters if isinstance(p, VolumeBinding)), None),
        preemption=_preempts(points),
        percentage_of_nodes_to_score=percentage,
    )


def _preempts(points: dict[str, Any]) -> bool:
    sets = [points.get("multiPoint") or {}, points.get("postFilter") or {}]
    off = set().union(*map(_disabled, sets))
    on = set().union(*map(_enabled, sets))
    return "DefaultPreemption" in on or not off & {"DefaultPreemption", "*"}


def _mentioned(points: dict[str, Any]) -> set[str]:
    return set().union(*(_enabled(point) | _disabled(point) for point in points.values() if point)) - {"*"}


def _enabled(point: dict[str, Any]) -> set[str]:
    return {str(item["name"]) for item in point.get("enabled") or ()}


def _disabled(point: dict[str, Any]) -> set[str]:
    return {str(item["name"]) for item in point.get("disabled") or ()}


def _weights(point: dict[str, Any]) -> dict[str, int]:
    return {str(i["name"]): int(i["weight"]) for i in point.get("enabled") or () if i.get("weight")}
