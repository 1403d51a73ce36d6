"""Pure: pod and container securityContext to CRI's LinuxContainerSecurityContext and LinuxSandboxSecurityContext.

The container's field wins over the pod's. Seccomp: absent means Unconfined, `RuntimeDefault` and `Localhost` map to
CRI's profile types.
"""

from __future__ import annotations

from typing import Any

from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SECCOMP_ROOT = "/var/lib/kubelet/seccomp"


class RunAsNonRootError(Exception):
    """The container must not run as root but would."""


def namespace_options(pod: Obj, *, target: str = "") -> Any:
    """The namespaces a pod's containers share."""
    spec = pod["spec"]
    options = pb.NamespaceOption(
        network=pb.NODE if spec.get("hostNetwork") else pb.POD,
        ipc=pb.NODE if spec.get("hostIPC") else pb.POD,
        pid=pb.CONTAINER,
    )
    if spec.get("hostPID"):
        options.pid = pb.NODE
    elif target:
        options.pid = pb.TARGET
        options.target_id = target
    elif spec.get("shareProcessNamespace"):
        options.pid = pb.POD
    return options


def effective(pod: Obj, container: Obj) -> Obj:
    """The container's security context with the pod's as fallback."""
    outer = pod["spec"].get("securityContext") or {}
    inner = container.get("securityContext") or {}
    keys = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions", "seccompProfile", "appArmorProfile")
    result = {key: outer[key] for key in keys if outer.get(key) is not None}
    return result | {k: v for k, v in inner.items() if v is not None}


def seccomp(profile: Obj | None, *, privileged: bool) -> Any:
    """Seccomp profile; a privileged container is unconfined unless it asks otherwise."""
    kind = (profile or {}).get("type")
    if kind == "RuntimeDefault":
        return pb.SecurityProfile(profile_type=pb.SecurityProfile.RuntimeDefault)
    if kind == "Localhost" and profile:
        path = f"{SECCOMP_ROOT}/{profile.get('localhostProfile', '')}"
        return pb.SecurityProfile(profile_type=pb.SecurityProfile.Localhost, localhost_ref=path)
    del privileged
    return pb.SecurityProfile(profile_type=pb.SecurityProfile.Unconfined)


def _capabilities(context: Obj) -> Any:
    wanted = context.get("capabilities") or {}
    strip = str.removeprefix
    return pb.Capability(
        add_capabilities=[strip(c, "CAP_") for c in wanted.get("add") or ()],
        drop_capabilities=[strip(c, "CAP_") for c in wanted.get("drop") or ()],
    )


def _selinux(options: Obj | None) -> Any:
    if not options:
        return None
    return pb.SELinuxOption(**{k: options[k] for k in ("user", "role", "type", "level") if options.get(k)})


def _groups(pod: Obj) -> list[int]:
    outer = pod["spec"].get("securityContext") or {}
    groups = [int(g) for g in outer.get("supplementalGroups") or ()]
    if outer.get("fsGroup") is not None:
        groups.append(int(outer["fsGroup"]))
    return groups


def _groups_policy(pod: Obj) -> Any:
    outer = pod["spec"].get("securityContext") or {}
    return pb.Strict if outer.get("supplementalGroupsPolicy") == "Strict" else pb.Merge


def verify_non_root(pod: Obj, container: Obj, image_uid: int | None, image_user: str) -> None:
    """Enforce runAsNonRoot against what the container would run as.

    Raises:
        RunAsNonRootError: with upstream's wording.
    """
    context = effective(pod, container)
    if not context.get("runAsNonRoot"):
        return
    meta = pod["metadata"]
    where = f'(pod: "{meta["name"]}_{meta["namespace"]}({meta["uid"]})", container: {container["name"]})'
    user = context.get("runAsUser")
    if user is not None:
        if int(user) == 0:
            raise RunAsNonRootError(f"container's runAsUser breaks non-root policy {where}")
        return
    if image_uid == 0:
        raise RunAsNonRootError(f"container has runAsNonRoot and image will run as root {where}")
    if image_uid is None and image_user:
        raise RunAsNonRootError(
            f"container has runAsNonRoot and image has non-numeric user ({image_user}), "
            f"cannot verify user is non-root {where}"
        )


def container_context(pod: Obj, container: Obj, *, image_uid: int | None, image_user: str, target: str = "") -> Any:
    """CRI's security context of one container."""
    context = effective(pod, container)
    privileged = bool(context.get("privileged"))
    result = pb.LinuxContainerSecurityContext(
        privileged=privileged,
        capabilities=_capabilities(context),
        namespace_options=namespace_options(pod, target=target),
        readonly_rootfs=bool(context.get("readOnlyRootFilesystem")),
        supplemental_groups=_groups(pod),
        supplemental_groups_policy=_groups_policy(pod),
        no_new_privs=context.get("allowPrivilegeEscalation") is False,
        seccomp=seccomp(context.get("seccompProfile"), privileged=privileged),
        selinux_options=_selinux(context.get("seLinuxOptions")),
    )
    _identity(result, context, image_uid, image_user)
    if not privileged and context.get("procMount") != "Unmasked":
        result.masked_paths.extend(MASKED_PATHS)
        result.readonly_paths.extend(READONLY_PATHS)
    profile = context.get("appArmorProfile")
    if profile:
        kinds = {"RuntimeDefault": pb.SecurityProfile.RuntimeDefault, "Localhost": pb.SecurityProfile.Localhost}
        kind = kinds.get(profile.get("type"), pb.SecurityProfile.Unconfined)
        result.apparmor.CopyFrom(
            pb.SecurityProfile(profile_type=kind, localhost_ref=profile.get("localhostProfile") or "")
        )
    return result


def _identity(result: Any, context: Obj, image_uid: int | None, image_user: str) -> None:
    user = context.get("runAsUser")
    if user is not None:
        result.run_as_user.value = int(user)
    elif image_uid is not None:
        result.run_as_user.value = image_uid
    elif image_user:
        result.run_as_username = image_user
    if context.get("runAsGroup") is not None:
        result.run_as_group.value = int(context["runAsGroup"])
        if user is None and image_uid is None and not image_user:
            result.run_as_user.value = 0  # CRI refuses a group without a user


def sandbox_context(pod: Obj) -> Any:
    """CRI's security context of a sandbox."""
    outer = pod["spec"].get("securityContext") or {}
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    privileged = any((c.get("securityContext") or {}).get("privileged") for c in containers)
    result = pb.LinuxSandboxSecurityContext(
        namespace_options=namespace_options(pod),
        privileged=privileged,
        supplemental_groups=_groups(pod),
        supplemental_groups_policy=_groups_policy(pod),
        seccomp=pb.SecurityProfile(profile_type=pb.SecurityProfile.RuntimeDefault),
        selinux_options=_selinux(outer.get("seLinuxOptions")),
    )
    if outer.get("runAsUser") is not None:
        result.run_as_user.value = int(outer["runAsUser"])
        if outer.get("runAsGroup") is not None:
            result.run_as_group.value = int(outer["runAsGroup"])
    return result
