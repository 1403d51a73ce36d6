"""RuntimeConfig: which cgroup driver the kubelet has to use."""

from cri.parts import Parts
from protocols.cri import api_pb2


def runtime_config(parts: Parts, _request: api_pb2.RuntimeConfigRequest) -> api_pb2.RuntimeConfigResponse:
    """Answer RuntimeConfig."""
    driver = api_pb2.SYSTEMD if parts.host.systemd_cgroups else api_pb2.CGROUPFS
    return api_pb2.RuntimeConfigResponse(linux=api_pb2.LinuxRuntimeConfiguration(cgroup_driver=driver))
