"""A profile: the plugins that one schedulerName stands for, in order, with weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.framework import Plugin
    from scheduler.plugins.volume_binding import VolumeBinding


@dataclass(frozen=True, slots=True)
class Profile:
    """Plugins sorted into the points they hook into, so that a cycle only calls those that act."""

    scheduler_name: str
    gates: tuple[Plugin, ...]
    filters: tuple[Plugin, ...]
    scorers: tuple[tuple[Plugin, int], ...]
    volumes: VolumeBinding | None = None
    preemption: bool = True
    percentage_of_nodes_to_score: int = 0
