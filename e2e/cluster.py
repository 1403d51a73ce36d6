"""A cluster for tests: made, driven and deleted through the command line, in a home of its own.

Nothing here imports the product: it is an ordinary user. Another project can use it through the pytest plugin
`e2e.plugin`.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TREE = Path(__file__).resolve().parent.parent
_COMMAND_SECONDS = 240.0
_POLL_SECONDS = 0.05


class WaitTimeoutError(AssertionError):
    """Something that a test waited for did not come."""


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Poll until a condition holds; returns its value.

    Raises:
        WaitTimeoutError: naming `what` and the last value or error.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (subprocess.CalledProcessError, OSError, ValueError, KeyError, AssertionError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(_POLL_SECONDS)
    raise WaitTimeoutError(f"after {seconds:.0f} s still waiting until {what}; last: {last!r}")


@dataclass
class Cluster:
    """One profile in a home of its own, with an image store of its own.

    Attributes:
        profile: The profile's name, unique on the host.
        home: MINIKUBE_PY_HOME; also holds the kubeconfig and the image store.
        flags: Further flags for `start`.
    """

    profile: str
    home: Path
    flags: Sequence[str] = ()
    program: Path = field(default=_TREE / "minikube-py")

    @classmethod
    def in_scratch(cls, profile: str, *flags: str) -> "Cluster":
        """A cluster in a new scratch directory."""
        return cls(profile, Path(tempfile.mkdtemp(prefix=f"{profile}-")), flags)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that `start` writes."""
        return self.home / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """What commands of this cluster run with."""
        return {**os.environ, "MINIKUBE_PY_HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)}

    @property
    def directory(self) -> Path:
        """The profile's directory."""
        return self.home / "profiles" / self.profile

    @property
    def kubectl_program(self) -> str:
        """The kubectl that is used; $KUBECTL names another one."""
        venv = os.environ.get("MINIKUBE_PY_VENV") or str(_TREE / ".venv")
        return os.environ.get("KUBECTL") or f"{venv}/bin/kubectl"

    def run(
        self, *words: str, check: bool = True, timeout: float = _COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a minikube-py command on this profile."""
        command = [str(self.program), words[0], "-p", self.profile, *words[1:]]
        if words[0] == "image":
            command = [str(self.program), "image", words[1], "-p", self.profile, *words[2:]]
        return self._finish(command, None, check=check, timeout=timeout)

    def _finish(
        self, command: Sequence[str], stdin: str | None, *, check: bool, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        # Output goes through files: a program started in the background must not keep a pipe of ours open.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.run(
                command,
                env=self.environment,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=out,
                stderr=err,
                text=True,
                timeout=timeout,
                check=False,
            )
            out.seek(0)
            err.seek(0)
            result = subprocess.CompletedProcess(command, process.returncode, out.read(), err.read())
        if check and result.returncode:
            shown = " ".join(command)
            raise AssertionError(f"{shown}\nexit code {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def start(self, *flags: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`minikube-py start` with this cluster's own image store."""
        store = [f"--storage-root={self.home}/storage", f"--storage-runroot=/run/minikube-py-store-{self.profile}"]
        return self.run("start", "--container-runtime=cri-o", *store, *self.flags, *flags, check=check)

    def delete(self) -> None:
        """`minikube-py delete`, and the image store and home, which are the test's own."""
        self.run("delete")
        for command in (
            ["umount", "-R", "-l", f"{self.home}/storage/overlay"],
            ["rm", "-rf", "--one-file-system", str(self.home), f"/run/minikube-py-store-{self.profile}"],
        ):
            subprocess.run(command, capture_output=True, check=False)

    def kubectl(
        self, *words: str, stdin: str | None = None, check: bool = True, timeout: float = _COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl with the kubeconfig that `start` wrote."""
        return self._finish([self.kubectl_program, *words], stdin, check=check, timeout=timeout)

    def execute(self, *command: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run any program with the kubeconfig that `start` wrote."""
        return self._finish(command, stdin, check=check, timeout=_COMMAND_SECONDS)

    def apply(self, *manifests: dict[str, Any] | str, flags: Sequence[str] = ()) -> None:
        """`kubectl apply -f -` of objects or YAML texts."""
        text = "\n---\n".join(one if isinstance(one, str) else json.dumps(one) for one in manifests)
        self.kubectl("apply", "-f", "-", *flags, stdin=text)

    def get(self, *words: str) -> Any:
        """`kubectl get … -o json`, parsed."""
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def wait_ready(self, selector: str, count: int = 1, namespace: str = "default", seconds: float = 60.0) -> list[Any]:
        """Wait until `count` pods of a label selector are Ready; returns them."""

        def ready() -> list[Any]:
            pods = self.get("pods", "-n", namespace, "-l", selector)["items"]
            good = [pod for pod in pods if is_ready(pod)]
            return good if len(good) == count == len(pods) else []

        found: list[Any] = wait_for(f"{count} pods with {selector} are Ready", ready, seconds)
        return found

    def program_pid(self, name: str) -> int:
        """The pid of one of the cluster's programs, as `status` tells it."""
        supervisor = int((Path("/run/minikube-py") / self.profile / "supervisor.pid").read_text())
        needle = "etcd" if name == "etcd" else f"-m\0{name}\0"
        for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            if needle.encode() in Path(f"/proc/{child}/cmdline").read_bytes() + b"\0":
                return int(child)
        raise AssertionError(f"{name} does not run")


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod's Ready condition is True."""
    return any(
        row["type"] == "Ready" and row["status"] == "True" for row in pod.get("status", {}).get("conditions", [])
    )
