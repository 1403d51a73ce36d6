"""A `python -m cri` of our own with its own store, bridge and cgroups, and a client with short words for its calls."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc

from linux import mounts
from protocols.cri import api_pb2 as api
from protocols.cri import api_pb2_grpc

TOP = Path(__file__).resolve().parents[3]
BUSYBOX = "localhost/busybox:latest"
# On an emulated machine everything takes several times longer.
PATIENCE = float(os.environ.get("MINIKUBE_PY_TEST_PATIENCE", "1"))
# Set to systemd where that is the first process: all tests here then go through it (see e2e/vm).
CGROUP_MANAGER = os.environ.get("MINIKUBE_PY_TEST_CGROUP_MANAGER", "cgroupfs")


def cgroup_roots() -> list[Path]:
    """The root of each hierarchy."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top]
    return [entry for entry in top.iterdir() if entry.is_dir()]


class Service:
    """One runtime process and everything that is its own."""

    def __init__(self, directory: Path, handler: str, root: Path, runroot: Path) -> None:
        self.directory = directory
        self.handler = handler
        self.root, self.runroot = root, runroot
        self.name = f"mkt-{secrets.token_hex(3)}"
        self.state = directory / "state"
        self.socket = directory / "cri.sock"
        self.cgroup = f"/{self.name}"
        number = secrets.randbelow(200) + 20
        self.subnet = f"10.213.{number}"
        networks = directory / "net.d"
        networks.mkdir(parents=True, exist_ok=True)
        bridge = {
            "type": "bridge",
            "bridge": self.name,
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(directory / "ipam"),
                "routes": [{"dst": "0.0.0.0/0"}],
                "ranges": [[{"subnet": f"{self.subnet}.0/24"}]],
            },
        }
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        conf = {"cniVersion": "1.0.0", "name": self.name, "plugins": [bridge, portmap]}
        (networks / "1.conflist").write_text(json.dumps(conf))
        self.registries = directory / "registries.conf"
        self.trust()
        self.cdi = directory / "cdi"
        self.cdi.mkdir(exist_ok=True)
        runtime = f'cdi_spec_dirs = ["{self.cdi}"]\ncgroup_manager = "{CGROUP_MANAGER}"\n'
        (directory / "crio.conf").write_text(f"[crio.runtime]\n{runtime}")
        self.drop_ins = directory / "crio.conf.d"
        self.drop_ins.mkdir(exist_ok=True)
        self.log = directory / "cri.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> str:
        return f"[overlay@{self.root}+{self.runroot}]"

    def arguments(self) -> list[str]:
        return [
            f"--config={self.directory / 'crio.conf'}",
            f"--listen={self.socket}",
            f"--root={self.root}",
            f"--runroot={self.runroot}",
            f"--state-dir={self.state}",
            f"--cni-config-dir={self.directory / 'net.d'}",
            f"--log-dir={self.directory / 'logs'}",
            f"--default-runtime={self.handler}",
            f"--registries-conf={self.registries}",
        ]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cri", *self.arguments()], cwd=TOP, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20 * PATIENCE
        while True:
            try:
                self.connect()
                self.runtime.Version(api.VersionRequest(), timeout=1)
                return
            except grpc.RpcError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError(self.log.read_text()) from None
                time.sleep(0.05)

    def connect(self) -> None:
        self.channel = grpc.insecure_channel(
            f"unix://{self.socket}",
            options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 1 << 26)],
        )
        self.runtime = api_pb2_grpc.RuntimeServiceStub(self.channel)
        self.images = api_pb2_grpc.ImageServiceStub(self.channel)

    def restart_with(self, configuration: str) -> None:
        """Stop, and start again with some more configuration."""
        self.stop()
        (self.drop_ins / "50-test.conf").write_text(configuration)
        self.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.channel.close()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10 * PATIENCE)
        self.channel.close()

    def wipe(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "cri", "wipe", *self.arguments()], cwd=TOP, check=True, timeout=60 * PATIENCE
        )

    def clean(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.wipe()
        mounts.unmount_tree(str(self.directory))
        subprocess.run(["ip", "link", "delete", self.name], check=False, capture_output=True)
        if CGROUP_MANAGER == "systemd":
            subprocess.run(["systemctl", "stop", self.slice()], check=True)
        for root in cgroup_roots():
            for directory, _, _ in os.walk(root / self.name, topdown=False):
                os.rmdir(directory)

    def slice(self, pod: str = "") -> str:
        """The systemd slice of this service, or of a pod in it."""
        return "-".join(word.replace("-", "_") for word in (self.name, pod) if word) + ".slice"

    def top_group(self) -> str:
        """The directory of the group around all pods."""
        return self.slice() if CGROUP_MANAGER == "systemd" else self.name

    def cgroup_parent(self, pod: str) -> str:
        if CGROUP_MANAGER == "systemd":
            return self.slice(pod)
        return f"{self.cgroup}/{pod}"

    def cgroup_directory(self, pod: str, controller: str) -> Path:
        """Where the kernel shows a pod's cgroup."""
        root = next(root for root in cgroup_roots() if root.name in (controller, "cgroup"))
        return root / self.top_group() / (self.slice(pod) if CGROUP_MANAGER == "systemd" else pod)

    @staticmethod
    def cgroup_name(container_id: str) -> str:
        """The directory of a container in its pod's."""
        return f"crio-{container_id}" + (".scope" if CGROUP_MANAGER == "systemd" else "")

    # -- short words

    def trust(self, host: str = "", more: str = "") -> None:
        """Write registries.conf: short names are local ones, and ``host`` speaks plain HTTP."""
        text = 'unqualified-search-registries = ["localhost"]\n'
        if host:
            text += f'[[registry]]\nlocation = "{host}"\ninsecure = true\n'
        self.registries.write_text(text + more)

    def pull(self, name: str, *, namespace: str = "tests", **auth: str) -> str:
        request = api.PullImageRequest(
            image={"image": name},
            auth=api.AuthConfig(**auth) if auth else None,
            sandbox_config={"metadata": {"namespace": namespace}},
        )
        return str(self.images.PullImage(request, timeout=60).image_ref)

    def remove_image(self, name: str) -> None:
        self.images.RemoveImage(api.RemoveImageRequest(image={"image": name}))

    def check_store(self) -> None:
        """Every layer has its directory and record, and the other way round."""
        layers = {layer["id"] for layer in json.loads((self.root / "overlay-layers/layers.json").read_text())}
        directories = {p.name for p in (self.root / "overlay").iterdir() if len(p.name) == 64}
        assert layers == directories

    def pod(self, **changes: Any) -> Pod:
        return Pod(self, **changes)


class Pod:
    """A sandbox as a context manager."""

    def __init__(
        self,
        service: Service,
        *,
        name: str = "",
        network: int = api.POD,
        pid: int = api.CONTAINER,
        ipc: int = api.POD,
        handler: str = "",
        **changes: Any,
    ) -> None:
        self.service = service
        self.name = name or f"pod-{secrets.token_hex(3)}"
        self.handler = handler
        options = api.NamespaceOption(network=network, pid=pid, ipc=ipc)
        self.options = options
        linux = api.LinuxPodSandboxConfig(
            cgroup_parent=service.cgroup_parent(self.name),
            security_context=api.LinuxSandboxSecurityContext(namespace_options=options),
            sysctls=changes.pop("sysctls", {}),
        )
        self.config = api.PodSandboxConfig(
            metadata=api.PodSandboxMetadata(name=self.name, uid=f"uid-{self.name}", namespace="tests"),
            hostname=changes.pop("hostname", "" if network == api.NODE else self.name),
            log_directory=str(service.directory / "logs" / self.name),
            linux=linux,
            **changes,
        )
        self.id = ""

    def run(self) -> Pod:
        request = api.RunPodSandboxRequest(config=self.config, runtime_handler=self.handler)
        self.id = self.service.runtime.RunPodSandbox(request).pod_sandbox_id
        return self

    def __enter__(self) -> Pod:
        return self.run()

    def __exit__(self, *_: object) -> None:
        self.service.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=self.id))

    @property
    def status(self) -> Any:
        return self.service.runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id=self.id)).status

    def create(
        self,
        *command: str,
        name: str = "",
        image: str = BUSYBOX,
        security: dict[str, Any] | None = None,
        resources: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Container:
        name = name or f"c-{secrets.token_hex(3)}"
        security = dict(security or {})
        security.setdefault("namespace_options", self.options)
        config = api.ContainerConfig(
            metadata=api.ContainerMetadata(name=name),
            image=api.ImageSpec(image=image),
            command=command,
            log_path=fields.pop("log_path", f"{name}.log"),
            linux=api.LinuxContainerConfig(
                security_context=api.LinuxContainerSecurityContext(**security),
                resources=api.LinuxContainerResources(**(resources or {})),
            ),
            **fields,
        )
        request = api.CreateContainerRequest(pod_sandbox_id=self.id, config=config, sandbox_config=self.config)
        return Container(self, config, self.service.runtime.CreateContainer(request).container_id)

    def start(self, *command: str, **fields: Any) -> Container:
        container = self.create(*(command or ("sleep", "1000")), **fields)
        container.start()
        return container

    def output(self, script: str, **fields: Any) -> str:
        """What a shell script prints in a container of its own."""
        container = self.start("sh", "-c", script, **fields)
        container.wait()
        return container.logs()


class Container:
    """One container."""

    def __init__(self, pod: Pod, config: Any, container_id: str) -> None:
        self.pod, self.config, self.id = pod, config, container_id
        self.runtime = pod.service.runtime

    def start(self) -> None:
        self.runtime.StartContainer(api.StartContainerRequest(container_id=self.id))

    def stop(self, timeout: int = 0) -> None:
        self.runtime.StopContainer(api.StopContainerRequest(container_id=self.id, timeout=timeout))

    def remove(self) -> None:
        self.runtime.RemoveContainer(api.RemoveContainerRequest(container_id=self.id))

    @property
    def status(self) -> Any:
        return self.runtime.ContainerStatus(api.ContainerStatusRequest(container_id=self.id)).status

    @property
    def info(self) -> dict[str, Any]:
        request = api.ContainerStatusRequest(container_id=self.id, verbose=True)
        return json.loads(self.runtime.ContainerStatus(request).info["info"])

    def exec(self, *command: str, timeout: int = 0) -> Any:
        return self.runtime.ExecSync(api.ExecSyncRequest(container_id=self.id, cmd=command, timeout=timeout))

    def shell(self, script: str) -> str:
        return self.exec("sh", "-c", script).stdout.decode()

    def wait(self, seconds: float = 10) -> Any:
        return until(lambda: self.status if self.status.state == api.CONTAINER_EXITED else None, seconds)

    def raw_log(self) -> str:
        return Path(self.status.log_path).read_text()

    def logs(self) -> str:
        return "".join(line.split(" ", 3)[3] + "\n" for line in self.raw_log().splitlines())


def until(condition: Any, seconds: float = 10) -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not come true in time")
        time.sleep(0.02)
    return value
