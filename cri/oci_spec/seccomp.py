"""Which seccomp filter a container gets. Pure: a profile file of the node comes in as parsed JSON.

Localhost profiles may use the richer format of the container tools (``includes``, ``excludes``, ``archMap``); it is
reduced to the OCI form for the container's capabilities and this machine.
"""

from typing import Any

from cri import errors
from cri.oci_spec import seccomp_default
from protocols.cri import api_pb2

RUNTIME_DEFAULT = api_pb2.SecurityProfile.RuntimeDefault
UNCONFINED = api_pb2.SecurityProfile.Unconfined
LOCALHOST = api_pb2.SecurityProfile.Localhost

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "s390x": "s390x", "ppc64le": "ppc64le", "riscv64": "riscv64"}
_ACTIONS = frozenset(
    f"SCMP_ACT_{name}"
    for name in ("KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY")
)
_ENTRY_KEYS = ("names", "action", "errnoRet", "args")


def wanted(context: api_pb2.LinuxContainerSecurityContext) -> tuple[int, str]:
    """The kind of profile asked for, and the file of a Localhost one."""
    if context.privileged:
        return UNCONFINED, ""
    if context.HasField("seccomp"):
        profile = context.seccomp
        if profile.profile_type == LOCALHOST:
            if not profile.localhost_ref.startswith("/"):
                raise errors.InvalidArgument(
                    f"a localhost seccomp profile needs an absolute path, got {profile.localhost_ref!r}"
                )
            return LOCALHOST, profile.localhost_ref
        return profile.profile_type, ""
    return _deprecated(context.seccomp_profile_path)


def _deprecated(path: str) -> tuple[int, str]:
    if path in ("runtime/default", "docker/default"):
        return RUNTIME_DEFAULT, ""
    if path.startswith("localhost/"):
        return LOCALHOST, path.removeprefix("localhost/")
    if path in ("", "unconfined"):
        return UNCONFINED, ""
    raise errors.InvalidArgument(f"unknown seccomp profile {path!r}")


def check_profile(profile: Any) -> None:
    """Refuse what the OCI runtimes would choke on with words that nobody understands.

    Raises:
        InvalidArgument: the file is not a seccomp profile.
    """
    if not isinstance(profile, dict):
        raise errors.InvalidArgument("it is not an object")
    if "defaultAction" not in profile:
        raise errors.InvalidArgument("it has no defaultAction")
    _check_action("defaultAction", profile["defaultAction"])
    rules = profile.get("syscalls") or []
    if not isinstance(rules, list):
        raise errors.InvalidArgument("syscalls is not a list")
    for number, rule in enumerate(rules):
        where = f"syscalls[{number}]"
        if not isinstance(rule, dict):
            raise errors.InvalidArgument(f"{where} is not an object")
        _check_action(f"{where}.action", rule.get("action"))
        names = rule.get("names", [rule.get("name")])
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise errors.InvalidArgument(f"{where}.names is not a list of system calls")
        if not isinstance(rule.get("args") or [], list):
            raise errors.InvalidArgument(f"{where}.args is not a list")


def _check_action(where: str, action: Any) -> None:
    if not isinstance(action, str) or action not in _ACTIONS:
        raise errors.InvalidArgument(f"{where} {action!r} is none of {', '.join(sorted(_ACTIONS))}")


def reduce_profile(profile: dict[str, Any], capabilities: frozenset[str], machine: str) -> dict[str, Any]:
    """A profile file, that was checked, as ``linux.seccomp``."""
    result: dict[str, Any] = {"defaultAction": profile["defaultAction"]}
    for key in ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"):
        if profile.get(key) is not None:
            result[key] = profile[key]
    if profile.get("architectures"):
        result["architectures"] = profile["architectures"]
    elif profile.get("archMap"):
        result["architectures"] = seccomp_default.architectures(machine, compatible=True)
    rules = []
    for rule in profile.get("syscalls") or []:
        if not _applies(rule, capabilities, GO_ARCHITECTURES.get(machine, machine)):
            continue
        entry = {key: rule[key] for key in _ENTRY_KEYS if rule.get(key)}
        if "names" not in entry and rule.get("name"):
            entry["names"] = [rule["name"]]
        rules.append(entry)
    if rules:
        result["syscalls"] = rules
    return result


def _applies(rule: dict[str, Any], capabilities: frozenset[str], machine: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if includes.get("arches") and machine not in includes["arches"]:
        return False
    if machine in (excludes.get("arches") or ()):
        return False
    if any(c not in capabilities for c in includes.get("caps") or ()):
        return False
    return not any(c in capabilities for c in excludes.get("caps") or ())
