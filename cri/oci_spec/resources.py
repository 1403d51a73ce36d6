"""CPU, memory and other limits of a container as the OCI configuration words them. Pure."""

from typing import Any

from cri.oci_spec import clamps
from protocols.cri import api_pb2

_MINIMUM_MEMORY = 512 * 1024  # crun and runc need that much to start anything


def linux_resources(
    asked: api_pb2.LinuxContainerResources, host: clamps.HostFacts, *, pids_limit: int = 0
) -> dict[str, Any]:
    """``linux.resources`` without devices."""
    result: dict[str, Any] = {}
    figures = (("shares", asked.cpu_shares), ("quota", asked.cpu_quota), ("period", asked.cpu_period))
    cpu: dict[str, Any] = {key: figure for key, figure in figures if figure}
    if asked.cpuset_cpus:
        cpu["cpus"] = asked.cpuset_cpus
    if asked.cpuset_mems:
        cpu["mems"] = asked.cpuset_mems
    if cpu:
        result["cpu"] = cpu
    memory = _memory(asked, host)
    if memory:
        result["memory"] = memory
    if pids_limit > 0:
        result["pids"] = {"limit": pids_limit}
    if asked.hugepage_limits:
        result["hugepageLimits"] = [{"pageSize": h.page_size, "limit": h.limit} for h in asked.hugepage_limits]
    if asked.unified and host.cgroup_version == 2:
        result["unified"] = dict(asked.unified)
    return result


def _memory(asked: api_pb2.LinuxContainerResources, host: clamps.HostFacts) -> dict[str, Any]:
    limit = asked.memory_limit_in_bytes
    if not limit:
        return {}
    memory: dict[str, Any] = {"limit": max(limit, _MINIMUM_MEMORY) if limit > 0 else limit}
    if host.swap_accounting:
        # Without an own figure the container gets no swap beyond its memory, as the kubelet's NoSwap means.
        memory["swap"] = asked.memory_swap_limit_in_bytes or memory["limit"]
    return memory


def merged(
    before: api_pb2.LinuxContainerResources, change: api_pb2.LinuxContainerResources
) -> api_pb2.LinuxContainerResources:
    """Resources after an update: fields that the change leaves at zero stay as they were."""
    result = api_pb2.LinuxContainerResources()
    result.CopyFrom(before)
    for field, value in change.ListFields():
        if field.name in ("unified", "hugepage_limits"):
            result.ClearField(field.name)
            if field.name == "unified":
                result.unified.update(value)
            else:
                result.hugepage_limits.extend(value)
        else:
            setattr(result, field.name, value)
    return result
