"""Issue 4, point 10: the configuration of the running service."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import BUSYBOX, TOP, Service, until
from tests.cri.live.registry import free_port

pytestmark = pytest.mark.live


def reload(service: Service, configuration: str, said: str = "Configuration reloaded") -> None:
    """Change the configuration, and wait until the service has taken it in, or said why not."""
    assert service.process is not None
    before = service.log.read_text().count(f'"{said}"')
    (service.drop_ins / "50-test.conf").write_text(configuration)
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.log.read_text().count(f'"{said}"') > before)


def test_a_hang_up_takes_in_what_has_changed(one_service: Service) -> None:
    service = one_service
    path = str(shutil.which(service.handler))
    with service.pod() as pod:
        old = pod.start()
        reload(
            service,
            '[crio.image]\npinned_images = ["localhost/busy*"]\n[crio.network]\ncni_default_network = "other"\n'
            '[crio.runtime]\ndefault_env = ["ADDED=yes"]\n[crio.runtime.runtimes.extra]\n'
            f'runtime_path = "{path}"\nprivileged_without_host_devices = true\n',
        )
        assert service.images.ImageStatus(api.ImageStatusRequest(image={"image": BUSYBOX})).image.pinned
        assert pod.output("echo $ADDED") == "yes\n"
        assert old.shell("echo $ADDED") == "\n"
        # What waits for a restart has changed nothing.
        assert 'Changed keys wait for a restart" keys="cni_default_network"' in service.log.read_text()
        with service.pod(handler="extra") as other:
            privileged = {"privileged": True}
            assert other.output("ls /dev/kmsg", security=privileged).startswith("ls: /dev/kmsg")
            # A handler that is gone from the configuration stays for those who have it.
            container = other.start()
            reload(service, "")
            assert container.shell("echo alive") == "alive\n"
            container.stop()
            container.remove()
        reload(service, "[crio.runtime]\npids_limit = 100\n")
        with pytest.raises(grpc.RpcError) as caught:
            service.pod(handler="extra").run()
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        reload(service, '[crio.runtime]\nlog_level = "lout"\n', "Configuration not reloaded")
        assert "log_level must be one of" in service.log.read_text()
        assert pod.output("echo still here") == "still here\n"
    reload(service, "")


def test_pods_keep_their_runtime_when_the_default_changes(own_service: Service) -> None:
    service = own_service
    first, second = service.handler, {"crun": "runc", "runc": "crun"}[service.handler]
    if shutil.which(second) is None:
        pytest.skip(f"{second} is not installed")
    pod = service.pod(pid=api.POD).run()
    old = pod.start()
    service.handler = second
    service.stop()
    service.start()
    old.runtime = service.runtime
    assert old.shell("echo old") == "old\n"
    assert pod.output("echo added") == "added\n"
    with service.pod() as other:
        assert other.output("echo new") == "new\n"
    old.stop()
    pod.__exit__()
    assert not os.listdir(service.state / "oci" / first)
    assert not os.listdir(service.state / "oci" / second)


def test_the_level_of_the_log_changes_with_a_hang_up(one_service: Service) -> None:
    service = one_service
    reload(service, '[crio.runtime]\nlog_level = "error"\n[crio.strange]\nkey = 1\n', "Unknown key ignored")
    size = service.log.stat().st_size
    with service.pod() as pod, pytest.raises(grpc.RpcError):
        pod.create("true", image="localhost/none")  # a warning otherwise
    reload(service, "[crio.runtime]\nlog_level = 5\n", "Configuration not reloaded")
    lines = service.log.read_text()[size:].splitlines()
    assert [line[0] for line in lines if line[:1] in "IWED"] == ["E"]
    (service.drop_ins / "50-test.conf").unlink()


def test_the_configuration_in_force_is_shown(service: Service) -> None:
    command = [sys.executable, "-m", "cri", "config", *service.arguments()]
    shown = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert f'state_dir = "{service.state}"' in shown
    assert f'default_runtime = "{service.handler}"' in shown
    wrong = subprocess.run([*command, "--cgroup-manager=x"], cwd=TOP, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "must be one of auto, cgroupfs, systemd" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_metrics_tell_of_calls_and_pulls(one_service: Service) -> None:
    port = free_port()
    one_service.restart_with(f"[crio.metrics]\nenable_metrics = true\nmetrics_port = {port}\n")
    with one_service.pod() as pod:
        pod.start()
        with pytest.raises(grpc.RpcError):
            one_service.pull("127.0.0.1:1/none:1")
    url = f"http://127.0.0.1:{port}/metrics"
    # A call is counted just after its answer.
    until(lambda: b'errors_total{operation="PullImage"} 1' in urllib.request.urlopen(url, timeout=5).read())
    text = urllib.request.urlopen(url, timeout=5).read().decode()
    for line in (
        'container_runtime_crio_operations_total{operation="RunPodSandbox"} 1',
        'container_runtime_crio_operations_errors_total{operation="PullImage"} 1',
        'container_runtime_crio_image_pulls_failure_total{error="CONNECTION_REFUSED"} 1',
        f'container_runtime_crio_default_runtime{{runtime="{one_service.handler}"}} 1',
    ):
        assert line in text.splitlines()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/other", timeout=5)


def test_devices_belong_to_the_user_where_configured(one_service: Service) -> None:
    one_service.restart_with("[crio.runtime]\ndevice_ownership_from_security_context = true\n")
    user = {"run_as_user": {"value": 1002}, "run_as_group": {"value": 1003}}
    device = api.Device(host_path="/dev/null", container_path="/dev/mine", permissions="rw")
    with one_service.pod() as pod:
        assert pod.output("stat -c %u:%g /dev/mine", devices=[device], security=user) == "1002:1003\n"


def test_another_network_than_the_first_can_be_chosen(one_service: Service) -> None:
    service = one_service
    first = Path(service.directory / "net.d/0.conflist")
    first.write_text('{"cniVersion": "1.0.0", "name": "first", "plugins": [{"type": "no-such-plugin"}]}')
    service.restart_with(f'[crio.network]\ncni_default_network = "{service.name}"\n')
    with service.pod() as pod:
        assert pod.status.network.ip.startswith(service.subnet)
    service.restart_with('[crio.network]\ncni_default_network = "absent"\n')
    condition = service.runtime.Status(api.StatusRequest()).status.conditions[1]
    assert not condition.status
    assert "No CNI network 'absent'" in condition.message
