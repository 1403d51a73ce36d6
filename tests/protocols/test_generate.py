import pathlib
import shutil
import subprocess
import sys

import pytest

PROTOCOLS = pathlib.Path(__file__).resolve().parents[2] / "protocols"


def test_the_stubs_are_those_of_the_proto(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("grpc_tools")
    copy = tmp_path / "protocols"
    shutil.copytree(PROTOCOLS, copy, ignore=shutil.ignore_patterns("__pycache__", "*_pb2*"))
    subprocess.run([sys.executable, "-m", "protocols.generate"], cwd=tmp_path, check=True)
    for name in ("api_pb2.py", "api_pb2.pyi", "api_pb2_grpc.py"):
        assert (copy / "cri" / name).read_text() == (PROTOCOLS / "cri" / name).read_text()


def test_every_rpc_of_version_0_36_is_there() -> None:
    from protocols.cri import api_pb2

    services = api_pb2.DESCRIPTOR.services_by_name
    assert len(services["RuntimeService"].methods) == 35
    assert len(services["ImageService"].methods) == 6
