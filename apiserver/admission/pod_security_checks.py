"""The Pod Security Standards as checks on a Pod's metadata and spec (pure).

Each check returns (reason, detail) when the Pod breaks it. `BASELINE` and `RESTRICTED` are tables of checks and the
versions since which their forms hold, in the order in which they are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from apimachinery.objects.metadata import Obj


class Violation(NamedTuple):
    """One broken check."""

    reason: str
    detail: str


Check = Callable[[Obj, Obj], Violation | None]

_DEFAULT_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    }
)
_SYSCTLS_1_27: Final = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_1_29: Final = _SYSCTLS_1_27 | {
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
}
_SYSCTLS_1_32: Final = _SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SELINUX_TYPES_1_31: Final = _SELINUX_TYPES | {"container_engine_t"}
_VOLUME_TYPES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SECCOMP: Final = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR_PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_PREFIX: Final = "container.seccomp.security.alpha.kubernetes.io/"


def containers(spec: Obj) -> Iterator[Obj]:
    """Yield init, normal and ephemeral containers."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()


def _security(obj: Obj) -> Obj:
    return obj.get("securityContext") or {}


def _quoted(values: list[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _plural(word: str, values: list[str]) -> str:
    return f"{word}{'' if len(values) == 1 else 's'} {_quoted(values)}"


def _named(spec: Obj, bad: Callable[[Obj], bool]) -> list[str]:
    return [container.get("name", "") for container in containers(spec) if bad(container)]


def _privileged(_meta: Obj, spec: Obj) -> Violation | None:
    bad = _named(spec, lambda container: _security(container).get("privileged") is True)
    if not bad:
        return None
    return Violation("privileged", f"{_plural('container', bad)} must not set securityContext.privileged=true")


def _host_namespaces(_meta: Obj, spec: Obj) -> Violation | None:
    bad = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return Violation("host namespaces", ", ".join(bad)) if bad else None


def _host_path(_meta: Obj, spec: Obj) -> Violation | None:
    bad = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", _plural("volume", bad)) if bad else None


def _host_ports(_meta: Obj, spec: Obj) -> Violation | None:
    bad: list[str] = []
    ports: set[int] = set()
    for container in containers(spec):
        used = {port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")}
        if used:
            bad.append(container.get("name", ""))
            ports |= used
    if not bad:
        return None
    listed = ", ".join(str(port) for port in sorted(ports))
    verb = "uses" if len(bad) == 1 else "use"
    return Violation("hostPort", f"{_plural('container', bad)} {verb} hostPort{'s' if len(ports) > 1 else ''} {listed}")


def _probe_hosts(_meta: Obj, spec: Obj) -> Violation | None:
    bad: list[str] = []
    hosts: set[str] = set()
    for container in containers(spec):
        handlers = [container.get(probe) or {} for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [(container.get("lifecycle") or {}).get(hook) or {} for hook in ("postStart", "preStop")]
        used = {(handler.get(kind) or {}).get("host") for handler in handlers for kind in ("httpGet", "tcpSocket")}
        used -= {None, ""}
        if used:
            bad.append(container.get("name", ""))
            hosts |= {str(host) for host in used}
    if not bad:
        return None
    verb = "uses" if len(bad) == 1 else "use"
    word = "host" if len(hosts) == 1 else "hosts"
    return Violation("probe or lifecycle host", f"{_plural('container', bad)} {verb} probe or lifecycle {word} "
                     f"{_quoted(sorted(hosts))}")  # fmt: skip


def _added(container: Obj) -> list[str]:
    return (_security(container).get("capabilities") or {}).get("add") or []


def _capabilities_baseline(_meta: Obj, spec: Obj) -> Violation | None:
    bad: list[str] = []
    extra: set[str] = set()
    for container in containers(spec):
        more = {capability for capability in _added(container) if capability not in _DEFAULT_CAPABILITIES}
        if more:
            bad.append(container.get("name", ""))
            extra |= more
    if not bad:
        return None
    detail = (
        f"{_plural('container', bad)} must not include {_quoted(sorted(extra))} in securityContext.capabilities.add"
    )
    return Violation("non-default capabilities", detail)


def _capabilities_restricted(_meta: Obj, spec: Obj) -> Violation | None:
    undropped: list[str] = []
    adding: list[str] = []
    extra: set[str] = set()
    for container in containers(spec):
        name = container.get("name", "")
        capabilities = _security(container).get("capabilities") or {}
        if "ALL" not in (capabilities.get("drop") or ()):
            undropped.append(name)
        more = {capability for capability in _added(container) if capability != "NET_BIND_SERVICE"}
        if more:
            adding.append(name)
            extra |= more
    details = []
    if undropped:
        details.append(f'{_plural("container", undropped)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        listed = _quoted(sorted(extra))
        details.append(f"{_plural('container', adding)} must not include {listed} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def _app_armor(meta: Obj, spec: Obj) -> Violation | None:
    allowed = ("RuntimeDefault", "Localhost")
    bad: list[str] = []
    values: set[str] = set()
    setters: list[str] = []
    kind = (_security(spec).get("appArmorProfile") or {}).get("type")
    if kind and kind not in allowed:
        setters.append("pod")
        values.add(kind)
    for container in containers(spec):
        kind = (_security(container).get("appArmorProfile") or {}).get("type")
        if kind and kind not in allowed:
            bad.append(container.get("name", ""))
            values.add(kind)
    if bad:
        setters.append(_plural("container", bad))
    annotations = [
        f'"{key}"="{value}"'
        for key, value in sorted((meta.get("annotations") or {}).items())
        if key.startswith(_APPARMOR_PREFIX)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    ]
    details = []
    if setters:
        details.append(f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(sorted(values))}")
    if annotations:
        details.append(f"annotation{'s' if len(annotations) > 1 else ''} {', '.join(annotations)}")
    if not details:
        return None
    word = "profiles" if len(values) + len(annotations) > 1 else "profile"
    return Violation(f"forbidden AppArmor {word}", ", ".join(details))


def _se_linux_types(spec: Obj, allowed: frozenset[str]) -> Violation | None:
    setters: list[str] = []
    bad: list[str] = []
    types: set[str] = set()
    user = role = False

    def judge(options: Obj | None) -> bool:
        nonlocal user, role
        if not options:
            return False
        wrong = False
        if options.get("type", "") not in allowed:
            types.add(options["type"])
            wrong = True
        if options.get("user"):
            user = wrong = True
        if options.get("role"):
            role = wrong = True
        return wrong

    if judge(_security(spec).get("seLinuxOptions")):
        setters.append("pod")
    bad = [c.get("name", "") for c in containers(spec) if judge(_security(c).get("seLinuxOptions"))]
    if bad:
        setters.append(_plural("container", bad))
    if not setters:
        return None
    details = []
    if types:
        details.append(f"type{'s' if len(types) > 1 else ''} {_quoted(sorted(types))}")
    if user:
        details.append("user may not be set")
    if role:
        details.append("role may not be set")
    text = f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(details)}"
    return Violation("seLinuxOptions", text)


def _se_linux(allowed: frozenset[str]) -> Check:
    return lambda _meta, spec: _se_linux_types(spec, allowed)


def _proc_mount(_meta: Obj, spec: Obj) -> Violation | None:
    kinds: set[str] = set()
    bad: list[str] = []
    for container in containers(spec):
        kind = _security(container).get("procMount")
        if kind and kind != "Default":
            bad.append(container.get("name", ""))
            kinds.add(kind)
    if not bad:
        return None
    return Violation(
        "procMount", f"{_plural('container', bad)} must not set securityContext.procMount to {_quoted(sorted(kinds))}"
    )


def _seccomp_type(obj: Obj) -> str | None:
    kind: str | None = (_security(obj).get("seccompProfile") or {}).get("type")
    return kind


def _seccomp_baseline(_meta: Obj, spec: Obj) -> Violation | None:
    setters: list[str] = []
    kinds: set[str] = set()
    kind = _seccomp_type(spec)
    if kind and kind not in _SECCOMP:
        setters.append("pod")
        kinds.add(kind)
    bad = []
    for container in containers(spec):
        kind = _seccomp_type(container)
        if kind and kind not in _SECCOMP:
            bad.append(container.get("name", ""))
            kinds.add(kind)
    if bad:
        setters.append(_plural("container", bad))
    if not setters:
        return None
    listed = _quoted(sorted(kinds))
    text = f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {listed}"
    return Violation("seccompProfile", text)


def _seccomp_restricted(meta: Obj, spec: Obj) -> Violation | None:
    explicit = _seccomp_baseline(meta, spec)
    if explicit is not None:
        return explicit
    if _seccomp_type(spec) in _SECCOMP:
        return None
    bad = _named(spec, lambda container: _seccomp_type(container) is None)
    if not bad:
        return None
    needed = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {_plural('container', bad)} {needed}")


def _seccomp_annotations(meta: Obj, spec: Obj) -> Violation | None:
    annotations = meta.get("annotations") or {}
    keys = [_SECCOMP_POD, *(_SECCOMP_PREFIX + str(one.get("name", "")) for one in containers(spec))]
    bad = [
        f'{key}="{annotations[key]}"'
        for key in keys
        if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    ]
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden annotation{'' if len(bad) == 1 else 's'} {', '.join(bad)}")


def _sysctls(allowed: frozenset[str]) -> Check:
    def check(_meta: Obj, spec: Obj) -> Violation | None:
        given = [sysctl.get("name", "") for sysctl in _security(spec).get("sysctls") or ()]
        bad = [name for name in given if name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def _windows(_meta: Obj, spec: Obj) -> Violation | None:
    def host_process(obj: Obj) -> bool:
        return (_security(obj).get("windowsOptions") or {}).get("hostProcess") is True

    setters = ["pod"] if host_process(spec) else []
    bad = _named(spec, host_process)
    if bad:
        setters.append(_plural("container", bad))
    if not setters:
        return None
    return Violation(
        "hostProcess", f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"
    )


def _volume_types(_meta: Obj, spec: Obj) -> Violation | None:
    names: list[str] = []
    kinds: set[str] = set()
    for volume in spec.get("volumes") or ():
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        bad = [source for source in sources if source not in _VOLUME_TYPES]
        if bad:
            names.append(volume.get("name", ""))
            kinds.update(bad)
    if not names:
        return None
    verb = "uses" if len(names) == 1 else "use"
    word = "type" if len(kinds) == 1 else "types"
    return Violation(
        "restricted volume types",
        f"{_plural('volume', names)} {verb} restricted volume {word} {_quoted(sorted(kinds))}",
    )


def _escalation(_meta: Obj, spec: Obj) -> Violation | None:
    bad = _named(spec, lambda container: _security(container).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    needed = "must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", f"{_plural('container', bad)} {needed}")


def _non_root(_meta: Obj, spec: Obj) -> Violation | None:
    explicit = _named(spec, lambda container: _security(container).get("runAsNonRoot") is False)
    pod = _security(spec).get("runAsNonRoot")
    setters = []
    if pod is False:
        setters.append("pod")
    if explicit:
        setters.append(_plural("container", explicit))
    if setters:
        return Violation(
            "runAsNonRoot != true", f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
        )
    if pod is True:
        return None
    bad = _named(spec, lambda container: _security(container).get("runAsNonRoot") is None)
    if not bad:
        return None
    text = f"pod or {_plural('container', bad)} must set securityContext.runAsNonRoot=true"
    return Violation("runAsNonRoot != true", text)


def _non_root_user(_meta: Obj, spec: Obj) -> Violation | None:
    setters = ["pod"] if _security(spec).get("runAsUser") == 0 else []
    bad = _named(spec, lambda container: _security(container).get("runAsUser") == 0)
    if bad:
        setters.append(_plural("container", bad))
    return Violation("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def _not_on_windows(check: Check) -> Check:
    return lambda meta, spec: None if (spec.get("os") or {}).get("name") == "windows" else check(meta, spec)


def _not_with_own_users(check: Check) -> Check:
    # In a user namespace of its own a Pod's root is nobody on the host (KEP-127).
    return lambda meta, spec: None if spec.get("hostUsers") is False else check(meta, spec)


class VersionedCheck(NamedTuple):
    """One standard: its forms, each from a minor version of Kubernetes on; `replaces` a baseline check."""

    forms: tuple[tuple[int, Check], ...]
    replaces: str = ""

    def at(self, minor: int) -> Check | None:
        """Return the form that holds at a minor version, None when the standard is younger."""
        found = [check for since, check in self.forms if since <= minor]
        return found[-1] if found else None


BASELINE: Final[dict[str, VersionedCheck]] = {
    "appArmorProfile": VersionedCheck(((0, _app_armor),)),
    "capabilities": VersionedCheck(((0, _capabilities_baseline),)),
    "hostNamespaces": VersionedCheck(((0, _host_namespaces),)),
    "hostPathVolumes": VersionedCheck(((0, _host_path),)),
    "hostPorts": VersionedCheck(((0, _host_ports),)),
    "hostProbesAndHostLifecycle": VersionedCheck(((34, _probe_hosts),)),
    "privileged": VersionedCheck(((0, _privileged),)),
    "procMount": VersionedCheck(((0, _proc_mount), (35, _not_with_own_users(_proc_mount)))),
    "seLinuxOptions": VersionedCheck(((0, _se_linux(_SELINUX_TYPES)), (31, _se_linux(_SELINUX_TYPES_1_31)))),
    "seccompProfile": VersionedCheck(((0, _seccomp_annotations), (19, _seccomp_baseline))),
    "sysctls": VersionedCheck(
        (
            (0, _sysctls(_SYSCTLS)),
            (27, _sysctls(_SYSCTLS_1_27)),
            (29, _sysctls(_SYSCTLS_1_29)),
            (32, _sysctls(_SYSCTLS_1_32)),
        )
    ),
    "windowsHostProcess": VersionedCheck(((0, _windows),)),
}
RESTRICTED: Final[dict[str, VersionedCheck]] = {
    "allowPrivilegeEscalation": VersionedCheck(((8, _escalation), (25, _not_on_windows(_escalation)))),
    "capabilities": VersionedCheck(
        ((22, _capabilities_restricted), (25, _not_on_windows(_capabilities_restricted))), replaces="capabilities"
    ),
    "restrictedVolumes": VersionedCheck(((0, _volume_types),), replaces="hostPathVolumes"),
    "runAsNonRoot": VersionedCheck(((0, _non_root), (35, _not_with_own_users(_non_root)))),
    "runAsUser": VersionedCheck(((23, _non_root_user), (35, _not_with_own_users(_non_root_user)))),
    "seccompProfile": VersionedCheck(
        ((19, _seccomp_restricted), (25, _not_on_windows(_seccomp_restricted))), replaces="seccompProfile"
    ),
}
