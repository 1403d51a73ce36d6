"""What this host forbids us to give, and the values that fit. Pure; the facts come from ``HostFacts``.

In a nested or restricted host the runtime itself lacks powers: without CAP_SYS_RESOURCE nobody may lower
``oom_score_adj`` or raise a hard limit, and a capability outside our own bounding set makes ``capset`` fail, which
would end every privileged container. Each value is bent to what the kernel will accept, instead of failing.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class HostFacts:
    """What was found out about the host once, at start."""

    machine: str
    bounding: frozenset[str]
    oom_score_adj: int
    rlimits: dict[str, int]  # hard limits by name, -1 = none
    cgroup_version: int = 1
    systemd_cgroups: bool = False
    seccomp: bool = True
    apparmor: bool = False
    selinux: bool = False
    swap_accounting: bool = False
    idmapped_mounts: bool = False
    recursive_read_only: bool = False

    @property
    def may_raise_limits(self) -> bool:
        """Whether we hold CAP_SYS_RESOURCE."""
        return "CAP_SYS_RESOURCE" in self.bounding


def oom_score_adj(asked: int, host: HostFacts) -> int:
    """The value closest to ``asked`` that we may set."""
    bounded = max(-1000, min(1000, asked))
    return bounded if host.may_raise_limits else max(bounded, host.oom_score_adj)


def capabilities(asked: frozenset[str], host: HostFacts) -> frozenset[str]:
    """Those of ``asked`` that we can pass on."""
    return asked & host.bounding


def rlimit(name: str, soft: int, hard: int, host: HostFacts) -> tuple[int, int]:
    """A pair of limits we may set for ``name`` (``RLIMIT_NOFILE``)."""
    own = host.rlimits.get(name, -1)
    if own >= 0 and not host.may_raise_limits:
        hard = own if hard < 0 else min(hard, own)
        soft = hard if soft < 0 else min(soft, hard)
    return soft, hard
