"""sample: the smallest useful chained plugin, to copy when writing one's own.

A plugin is a module with a function per command, each of which gets a `Call` (cni/config.py):

- `add(call)` does its work and returns a result. A chained plugin, like this one, gets the result of the plugin before
  as `call.previous` and returns it, changed or not.
- `delete(call)` undoes it. It must pass when there is nothing to undo, and when `call.netns` is empty or has gone.
- `check(call)` raises where something is not as `add` left it.
- `gc(call)` removes what belongs to none of `cni.attachment.valid_attachments(call.config)`; `status(call)` raises
  where `add` could not work now. A plugin that leaves nothing behind and needs nothing has neither; this one leaves
  nothing behind.

Whatever they raise becomes the specification's error object; raise `CNIError` to choose its code. Then add a row to
the table in cni/plugins/registry.py, and it can be called in process and as an executable. This one requires the key
`anotherAwesomeArg` and does nothing with it.
"""

from __future__ import annotations

from cni.errors import INVALID_CONFIG, CNIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result

ABOUT = "shows how a plugin is written"


def _require_argument(call: Call) -> None:
    if not call.text("anotherAwesomeArg"):
        raise CNIError(INVALID_CONFIG, "anotherAwesomeArg must be specified")


def add(call: Call) -> Result:
    """Pass the result of the plugin before on."""
    _require_argument(call)
    answer = call.require_previous()
    if not answer.get("ips"):
        raise CNIError(INVALID_CONFIG, "got no container IPs")
    return answer


def delete(call: Call) -> None:
    """Undo nothing."""
    _require_argument(call)


def check(call: Call) -> None:
    """Raise where the configuration is not good."""
    _require_argument(call)
    call.require_previous()


def status(call: Call) -> None:
    """Raise where the configuration is not good: ADD could not work then."""
    _require_argument(call)
