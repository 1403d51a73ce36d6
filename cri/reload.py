"""Takes in a changed configuration on SIGHUP, as CRI-O does, and without leaving a call in between.

What the parts look up at each call counts from the next one on: handlers and the default one, levels of the log,
policies, credentials, pinned images, profiles, defaults of containers. What was built in at the start is named with the
advice to restart. A file that can't be read changes nothing. registries.conf needs no signal.
"""

import asyncio
import dataclasses
import signal

from component import logging
from cri import config_keys, errors, metrics
from cri.config import Config, load
from cri.options import Options
from cri.parts import Parts
from cri.runtime import handlers
from cri.runtime.handlers import Handlers

_log = logging.get_logger("reload")


def listen(parts: Parts, options: Options) -> None:
    """Reload at each SIGHUP from now on."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: parts.tasks.spawn(_reload(parts, options), name="reload"))


async def _reload(parts: Parts, options: Options) -> None:
    try:
        wanted = await parts.blocking(load, options)
        now, changed, waiting = merge(parts.config, wanted)
        found = await parts.blocking(handlers.discover, now, systemd_cgroup=parts.host.systemd_cgroups)
    except (errors.CRIError, OSError) as error:
        _log.error("Configuration not reloaded", cause=str(error))
        return
    parts.handlers = _with_those_in_use(parts, found)
    parts.config = now
    apply_log_level(now)
    metrics.DEFAULT_RUNTIME.values.clear()
    metrics.DEFAULT_RUNTIME.set(parts.handlers.default, to=1)
    _log.info("Configuration reloaded", changed=",".join(changed))
    if waiting:
        _log.warning("Changed keys wait for a restart", keys=",".join(waiting))


def merge(current: Config, wanted: Config) -> tuple[Config, list[str], list[str]]:
    """The configuration from now on, what changes in it, and what waits for a restart. Pure."""
    different = [
        field.name
        for field in dataclasses.fields(Config)
        if getattr(current, field.name) != getattr(wanted, field.name)
    ]
    waiting = [name for name in different if name in config_keys.RESTART_ONLY]
    changed = [name for name in different if name not in config_keys.RESTART_ONLY]
    return dataclasses.replace(current, **{name: getattr(wanted, name) for name in changed}), changed, waiting


def _with_those_in_use(parts: Parts, found: Handlers) -> Handlers:
    """Handlers that are gone from the configuration stay as long as something was made with them."""
    used = {sandbox.handler for sandbox in parts.store.sandboxes}
    used |= {container.runtime_handler for container in parts.store.containers}
    known = {handler.name: handler for handler in found}
    kept = {handler.name: handler for handler in parts.handlers if handler.name in used}
    return Handlers({**kept, **known}, found.default)


def apply_log_level(config: Config) -> None:
    """Show what the configuration says is to be shown; without a word of it, what ``-v`` says."""
    if config.log_level:
        logging.show_from(config_keys.LOG_LEVELS[config.log_level])
