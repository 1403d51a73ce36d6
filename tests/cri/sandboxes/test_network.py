from pathlib import Path

import pytest

from cri import errors
from cri.sandboxes import network
from protocols.cri import api_pb2 as api


def config() -> object:
    ports = [
        api.PortMapping(container_port=80, host_port=8080, host_ip="127.0.0.1"),
        api.PortMapping(container_port=53, host_port=53, protocol=api.UDP),
        api.PortMapping(container_port=81),
    ]
    return api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name="n", namespace="s", uid="u"), port_mappings=ports)


def test_only_ports_of_the_host_are_mapped() -> None:
    assert [(p["hostPort"], p["protocol"], p["hostIP"]) for p in network.port_mappings(config())] == [
        (8080, "tcp", "127.0.0.1"),
        (53, "udp", ""),
    ]


def test_arguments_name_the_pod() -> None:
    arguments = network.arguments("id", config())
    assert arguments["K8S_POD_NAMESPACE"] == "s"
    assert arguments["K8S_POD_INFRA_CONTAINER_ID"] == "id"


def test_a_network_comes_when_its_file_does(tmp_path: Path) -> None:
    networks = network.Networks(str(tmp_path / "net.d"), (), str(tmp_path / "cache"))
    assert "No CNI configuration" in networks.problem()
    with pytest.raises(errors.Unavailable):
        networks.attach("id", config(), "/none")
    networks.detach("id", config(), "/none", "")
    networks.collect([])
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d/1.conflist").write_text("{broken")
    assert "not valid" in networks.problem()
    with pytest.raises(errors.Unavailable, match="not valid"):
        networks.attach("id", config(), "/none")
    networks.detach("id", config(), "/none", "gone")
    networks.collect([])
