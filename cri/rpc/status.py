"""Status: whether runtime and network are ready, and what the handlers can do."""

import dataclasses
import json

from cri.parts import Parts
from protocols.cri import api_pb2


async def status(parts: Parts, request: api_pb2.StatusRequest) -> api_pb2.StatusResponse:
    """Answer Status."""
    problem = await parts.blocking(parts.networks.problem)
    network = api_pb2.RuntimeCondition(type="NetworkReady", status=not problem)
    if problem:
        network.reason, network.message = "NetworkPluginNotReady", f"Network plugin returns error: {problem}"
    response = api_pb2.StatusResponse(
        status=api_pb2.RuntimeStatus(conditions=[api_pb2.RuntimeCondition(type="RuntimeReady", status=True), network]),
        runtime_handlers=_handlers(parts),
        features=api_pb2.RuntimeFeatures(supplemental_groups_policy=True),
    )
    if request.verbose:
        config = dataclasses.asdict(parts.config)
        response.info["config"] = json.dumps({"sandboxImage": "", "stateDir": parts.config.state_dir, **config})
    return response


def _handlers(parts: Parts) -> list[api_pb2.RuntimeHandler]:
    default = parts.handlers.get("")
    return [
        api_pb2.RuntimeHandler(
            name=name,
            features=api_pb2.RuntimeHandlerFeatures(
                recursive_read_only_mounts=handler.recursive_read_only and parts.host.recursive_read_only,
                user_namespaces=handler.user_namespaces and parts.host.idmapped_mounts,
            ),
        )
        for name, handler in [("", default), *((h.name, h) for h in parts.handlers)]
    ]
