import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.cluster import Cluster

TREE = Path(__file__).resolve().parent.parent.parent


def command(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(TREE / "minikube-py"), *words],
        env={**os.environ, "MINIKUBE_PY_HOME": str(home), "KUBECONFIG": str(home / "kubeconfig"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_unknown_flag_is_a_usage_error(tmp_path):
    result = command(tmp_path, "start", "--no-such-flag")
    assert result.returncode == 14
    assert "--no-such-flag" in result.stderr


@pytest.mark.parametrize("name", ["Upper", "-dash", "a" * 60, "sla/sh", ".."])
def test_bad_profile_name_is_refused(tmp_path, name):
    result = command(tmp_path, "start", f"--profile={name}")
    assert result.returncode == 14
    assert "MK_BAD_PROFILE_NAME" in result.stderr


def test_unsupported_runtime_lists_the_supported_ones(tmp_path):
    result = command(tmp_path, "start", "-p", "e2e-bad", "--container-runtime=rkt")
    assert result.returncode == 14
    assert "cri-o" in result.stderr
    assert not (tmp_path / "profiles" / "e2e-bad").exists()


def test_unsupported_kubernetes_version_is_refused(tmp_path):
    result = command(tmp_path, "start", "-p", "e2e-bad", "--kubernetes-version=v1.12.0")
    assert result.returncode == 14
    assert "v1.36" in result.stderr


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("apiserver.no-such-flag=1", "apiserver has no flag --no-such-flag"),
        ("kubelet.node-status-update-frequency=soon", "kubelet"),
        ("apiserver.event-ttl=soon", "invalid duration 'soon'"),
        ("apiserver", "is not COMPONENT.FLAG=VALUE"),
    ],
)
def test_flags_that_a_program_does_not_take_are_told_before_anything_is_made(tmp_path, entry, told):
    result = command(tmp_path, "start", "-p", "e2e-bad", f"--extra-config={entry}")
    assert result.returncode == 14
    assert told in result.stderr
    assert not (tmp_path / "profiles" / "e2e-bad").exists()


def test_overlapping_ranges_are_refused(tmp_path):
    result = command(
        tmp_path, "start", "-p", "e2e-bad", "--pod-network-cidr=10.96.0.0/16", "--service-cluster-ip-range=10.96.0.0/12"
    )
    assert result.returncode == 14
    assert "overlap" in result.stderr


def test_taken_api_server_port_is_named_with_its_holder(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        result = command(tmp_path, "start", "-p", "e2e-bad", f"--apiserver-port={port}")
    assert result.returncode == 31
    assert f"port {port} is taken" in result.stderr
    assert str(os.getpid()) in result.stderr
    assert not (tmp_path / "profiles" / "e2e-bad").exists()


def test_start_without_root_says_so(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become nobody")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import difflib,os,sys,traceback; sys.argv=['minikube-py','start','-p','e2e-bad']\n"
            "import minikube_py.commands.start; from minikube_py.cli import main; os.setuid(65534); main()",
        ],
        env={**os.environ, "MINIKUBE_PY_HOME": str(tmp_path), "PYTHONPATH": str(TREE), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 37, result.stderr
    assert "needs root" in result.stderr


@pytest.mark.parametrize("verb", ["status", "stop", "delete", "ip", "logs"])
def test_unknown_profile_is_named(tmp_path, verb):
    result = command(tmp_path, verb, "-p", "never-made")
    assert result.returncode == 85
    assert 'Profile "never-made" not found' in result.stderr


def test_damaged_profile_is_reported_and_can_be_deleted(tmp_path):
    directory = tmp_path / "profiles" / "e2e-torn"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text('{"format": 1, "name"')
    result = command(tmp_path, "start", "-p", "e2e-torn")
    assert result.returncode == 58
    assert "delete -p e2e-torn" in result.stderr
    assert command(tmp_path, "delete", "-p", "e2e-torn").returncode == 0
    assert not directory.exists()


def test_kubeconfig_that_is_not_yaml_is_left_alone(tmp_path, cluster: Cluster):
    broken = tmp_path / "kubeconfig"
    broken.write_text("clusters: [unclosed\n")
    result = subprocess.run(
        [str(TREE / "minikube-py"), "update-context", "-p", cluster.profile],
        env={**cluster.environment, "KUBECONFIG": str(broken)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 38
    assert broken.read_text() == "clusters: [unclosed\n"


def test_every_command_explains_itself(tmp_path):
    words = [
        "start",
        "status",
        "stop",
        "delete",
        "kubectl",
        "image",
        "image build",
        "image load",
        "image ls",
        "image pull",
        "image rm",
        "cni",
        "ip",
        "ssh",
        "logs",
        "profile",
        "profile list",
        "update-context",
        "completion",
        "version",
    ]
    for word in words:
        result = command(tmp_path, *word.split(), "--help")
        assert result.returncode == 0, word
        assert len(result.stdout.splitlines()) > 4, word
