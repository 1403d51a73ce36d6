"""Issue 4, point 4: pods with a user namespace of their own."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live import oci_layout
from tests.cri.live.cri_service import Pod, Service, until

pytestmark = pytest.mark.live
FIRST, COUNT = 200000, 65536


def mapping() -> list[object]:
    return [api.IDMapping(host_id=FIRST, container_id=0, length=COUNT)]


def pod_with_user_namespace(service: Service, **changes: object) -> Pod:
    status = service.runtime.Status(api.StatusRequest())
    features = {h.name: h.features.user_namespaces for h in status.runtime_handlers}
    pod = service.pod(**changes)
    if not features[""]:
        pytest.skip("the handler does not offer user namespaces")
    user = api.UserNamespace(mode=api.POD, uids=mapping(), gids=mapping())
    pod.options.userns_options.CopyFrom(user)
    pod.config.linux.security_context.namespace_options.CopyFrom(pod.options)
    return pod


def test_root_of_the_pod_is_nobody_to_the_node(service: Service) -> None:
    with pod_with_user_namespace(service, sysctls={"net.ipv4.ip_forward": "1"}) as pod:
        container = pod.start()
        assert container.shell("cat /proc/self/uid_map").split() == ["0", str(FIRST), str(COUNT)]
        assert container.shell("id -u; stat -c %u /bin/busybox; hostname") == f"0\n0\n{pod.name}\n"
        assert container.shell("touch /tmp/mine && stat -c %u /tmp/mine") == "0\n"
        assert container.shell("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
        assert Path(f"/proc/{container.info['pid']}").stat().st_uid == FIRST
        layer = Path(container.info["runtimeSpec"]["root"]["path"]).parent / "diff/tmp/mine"
        assert layer.stat().st_uid == FIRST
        assert pod.status.linux.namespaces.options.userns_options.uids[0].host_id == FIRST
        assert service.subnet in container.shell("ip addr show eth0")
    assert str(service.state) not in Path("/proc/mounts").read_text()


def test_volumes_are_mapped_where_asked(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.chown(tmp_path, 0, 0)
    tmp_path.chmod(0o700)
    mapped = api.Mount(host_path=str(tmp_path), container_path="/m", uidMappings=mapping(), gidMappings=mapping())
    with pod_with_user_namespace(service) as pod:
        container = pod.start(mounts=[mapped])
        assert container.shell("stat -c %u /m/file; touch /m/new && echo made") == "0\nmade\n"
        assert (tmp_path / "new").stat().st_uid == 0
        container.remove()
    assert str(service.state) not in Path("/proc/mounts").read_text()


def test_volumes_of_images_belong_to_the_pods_users(service: Service, tmp_path: Path, busybox_layer: bytes) -> None:
    config = {"Env": ["PATH=/bin"], "Volumes": {"/new/volume": {}}}
    oci_layout.write(tmp_path / "layout", config, busybox_layer)
    oci_layout.load(service.store, tmp_path / "layout", "localhost/volumes:userns")
    image = api.Mount(container_path="/image", image=api.ImageSpec(image="localhost/volumes:userns"), readonly=True)
    with pod_with_user_namespace(service) as pod:
        user = {"run_as_user": {"value": 1002}, "run_as_group": {"value": 1003}}
        show = "stat -c %u:%g /new/volume /image/bin/busybox; /image/bin/echo runs; touch /new/volume/x && echo written"
        found = pod.output(show, image="localhost/volumes:userns", mounts=[image], security=user)
        assert found == "1002:1003\n0:0\nruns\nwritten\n"
    service.remove_image("localhost/volumes:userns")


def test_a_shared_pid_namespace_within_a_user_namespace(service: Service) -> None:
    with pod_with_user_namespace(service, pid=api.POD) as pod:
        container = pod.start()
        until(lambda: container.shell("cat /proc/1/cmdline") == "/pause\0")


def test_the_nodes_user_namespace_needs_no_mapping(service: Service) -> None:
    pod = service.pod()
    pod.options.userns_options.CopyFrom(api.UserNamespace(mode=api.NODE))
    pod.config.linux.security_context.namespace_options.CopyFrom(pod.options)
    with pod:
        assert pod.output("cat /proc/self/uid_map").split() == Path("/proc/self/uid_map").read_text().split()


@pytest.mark.parametrize(
    "user",
    [
        api.UserNamespace(mode=api.POD, uids=[*mapping(), *mapping()], gids=[*mapping(), *mapping()]),
        api.UserNamespace(
            mode=api.POD,
            uids=[api.IDMapping(host_id=FIRST, container_id=1, length=COUNT)],
            gids=[api.IDMapping(host_id=FIRST, container_id=1, length=COUNT)],
        ),
        api.UserNamespace(mode=api.CONTAINER),
        api.UserNamespace(mode=api.TARGET),
    ],
    ids=["two mappings", "id 0 unmapped", "container", "target"],
)
def test_impossible_user_namespaces_are_refused(service: Service, user: object) -> None:
    pod = service.pod()
    pod.options.userns_options.CopyFrom(user)  # type: ignore[arg-type]
    pod.config.linux.security_context.namespace_options.CopyFrom(pod.options)
    with pytest.raises(grpc.RpcError) as caught:
        pod.run()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_handler_without_user_namespaces_refuses_them(service: Service) -> None:
    features = {
        h.name: h.features.user_namespaces for h in service.runtime.Status(api.StatusRequest()).runtime_handlers
    }
    handler = next((name for name, offered in features.items() if name and not offered), "")
    if not handler:
        pytest.skip("every handler offers user namespaces")
    pod = service.pod(handler=handler)
    pod.options.userns_options.CopyFrom(api.UserNamespace(mode=api.POD, uids=mapping(), gids=mapping()))
    pod.config.linux.security_context.namespace_options.CopyFrom(pod.options)
    with pytest.raises(grpc.RpcError) as caught:
        pod.run()
    assert handler in caught.value.details()
    assert "user namespaces" in caught.value.details()


def test_mapped_owners_need_a_user_namespace(service: Service, tmp_path: Path) -> None:
    mount = api.Mount(host_path=str(tmp_path), container_path="/m", uidMappings=mapping(), gidMappings=mapping())
    with service.pod() as pod, pytest.raises(grpc.RpcError) as caught:
        pod.create("true", mounts=[mount])
    assert "no user namespace" in caught.value.details()
