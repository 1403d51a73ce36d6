"""The whole configuration of a container."""

from __future__ import annotations

import dataclasses

from cri.oci_spec import build, clamps, namespaces, process
from protocols.cri import api_pb2 as api

HOST = clamps.HostFacts("x86_64", frozenset({"CAP_CHOWN"}), 0, {})


def facts(host: clamps.HostFacts = HOST) -> build.Facts:
    return build.Facts(
        config=api.ContainerConfig(metadata={"name": "one"}, command=["sleep", "1"]),
        sandbox=api.PodSandboxConfig(metadata={"name": "pod", "namespace": "ns", "uid": "u"}),
        image={},
        host=host,
        container_id="c",
        sandbox_id="s",
        rootfs="/root-fs",
        cgroups_path="/pods/crio-c",
        user=process.User(),
        pod_namespaces=namespaces.PodNamespaces(network="/n"),
        allowed=frozenset({"CAP_CHOWN"}),
    )


def test_a_plain_container() -> None:
    spec = build.build(facts())
    assert spec["root"] == {"path": "/root-fs", "readonly": False}
    assert spec["process"]["args"] == ["sleep", "1"]
    assert spec["linux"]["cgroupsPath"] == "/pods/crio-c"
    assert spec["annotations"]["io.kubernetes.pod.name"] == "pod"
    assert "hooks" not in spec


def test_limits_stand_at_systemds_scope() -> None:
    assert "run.oci.systemd.subgroup" not in build.build(facts())["annotations"]
    host = dataclasses.replace(HOST, systemd_cgroups=True, cgroup_version=2)
    assert build.build(facts(host))["annotations"]["run.oci.systemd.subgroup"] == ""
