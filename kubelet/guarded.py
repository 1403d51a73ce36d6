"""Keeps the fault of one pod's task from ending the kubelet."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from component.logging import get_logger

log = get_logger("kubelet.tasks")


async def guarded(work: Coroutine[Any, Any, Any], name: str) -> None:
    """Run to the end; an unforeseen exception is logged and goes no further."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 -- what one pod does wrong must not end the others
        log.error("task failed", error=error, task=name)
