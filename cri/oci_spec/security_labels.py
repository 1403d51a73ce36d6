"""AppArmor profiles and SELinux labels. Pure; whether the host has either is a fact."""

from cri import errors
from cri.oci_spec import clamps
from protocols.cri import api_pb2

DEFAULT_APPARMOR = "minikube-py-default"


def apparmor(context: api_pb2.LinuxContainerSecurityContext, host: clamps.HostFacts, loaded: frozenset[str]) -> str:
    """The AppArmor profile of the process; empty means none.

    Raises:
        FailedPrecondition: a profile is asked for that the host can not enforce.
    """
    kind, name = _wanted_apparmor(context)
    if context.privileged or kind == api_pb2.SecurityProfile.Unconfined:
        return ""
    if kind == api_pb2.SecurityProfile.RuntimeDefault:
        return DEFAULT_APPARMOR if host.apparmor and DEFAULT_APPARMOR in loaded else ""
    if not host.apparmor:
        raise errors.FailedPrecondition(
            f"AppArmor profile {name!r} is asked for, but AppArmor is not enabled on the host"
        )
    if name not in loaded:
        raise errors.FailedPrecondition(f"AppArmor profile {name!r} is not loaded")
    return name


def _wanted_apparmor(context: api_pb2.LinuxContainerSecurityContext) -> tuple[int, str]:
    if context.HasField("apparmor"):
        return context.apparmor.profile_type, context.apparmor.localhost_ref.removeprefix("localhost/")
    old = context.apparmor_profile
    if old.startswith("localhost/"):
        return api_pb2.SecurityProfile.Localhost, old.removeprefix("localhost/")
    if old == "unconfined":
        return api_pb2.SecurityProfile.Unconfined, ""
    return api_pb2.SecurityProfile.RuntimeDefault, ""


def selinux(options: api_pb2.SELinuxOption, host: clamps.HostFacts, *, privileged: bool) -> tuple[str, str]:
    """Process and mount label; both empty where SELinux is off."""
    if not host.selinux:
        return "", ""
    level = options.level or "s0"
    kind = options.type or ("spc_t" if privileged else "container_t")
    user, role = options.user or "system_u", options.role or "system_r"
    return f"{user}:{role}:{kind}:{level}", f"{user}:object_r:container_file_t:{level}"
