"""``python -m cri wipe``: removes every sandbox and container of ours from this host.

Works whether or not the service ran before or was killed; what is gone already is fine. Other tools' containers and all
images stay.
"""

import contextlib
import shutil

from component.logging import get_logger
from component.tasks import Tasks
from cri import errors
from cri.config import Config
from cri.rpc import remove_pod_sandbox
from cri.runtime import stray_cgroups
from cri.server import assemble
from linux import mounts

_log = get_logger("wipe")


async def wipe(config: Config) -> None:
    """Remove everything, then the state directory itself."""
    if config.state.is_dir():
        async with Tasks() as tasks, assemble(config, tasks) as parts:
            for sandbox in parts.store.sandboxes:
                try:
                    await remove_pod_sandbox.remove(parts, sandbox)
                except (errors.CRIError, OSError) as error:
                    _log.warning("Cannot remove a sandbox", sandbox=sandbox.name, cause=str(error))
            parts.networks.collect([])
            await parts.blocking(parts.layers.release)
        mounts.unmount_tree(str(config.state))
        with contextlib.suppress(OSError):
            shutil.rmtree(config.state)
    stray_cgroups.release()
