"""Version: who we are. The kubelet compares ``version`` with its own constant, so it must be exactly that."""

from component.version import MINIKUBE_PY_VERSION
from cri.parts import Parts
from protocols.cri import api_pb2

RUNTIME_NAME = "cri-o"
KUBELET_API_VERSION = "0.1.0"


def version(_parts: Parts, _request: api_pb2.VersionRequest) -> api_pb2.VersionResponse:
    """Answer Version."""
    return api_pb2.VersionResponse(
        version=KUBELET_API_VERSION,
        runtime_name=RUNTIME_NAME,
        runtime_version=MINIKUBE_PY_VERSION,
        runtime_api_version="v1",
    )
