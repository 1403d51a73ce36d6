"""UpdateRuntimeConfig: the kubelet hands down the node's pod CIDR.

Our CNI configuration is written by whoever set up the node, so the CIDR is only noted in the log, as CRI-O does.
"""

from component.logging import get_logger
from cri.parts import Parts
from protocols.cri import api_pb2

_log = get_logger("runtime-config")


def update_runtime_config(
    _parts: Parts, request: api_pb2.UpdateRuntimeConfigRequest
) -> api_pb2.UpdateRuntimeConfigResponse:
    """Answer UpdateRuntimeConfig."""
    cidr = request.runtime_config.network_config.pod_cidr
    if cidr:
        _log.info("Pod CIDR", cidr=cidr)
    return api_pb2.UpdateRuntimeConfigResponse()
