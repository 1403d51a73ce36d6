"""Images for tests, made on the spot from busybox-static: no registry is needed, and none is reached."""

import shutil
import tempfile
from pathlib import Path

from e2e.cluster import Cluster

DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
COPY etc /etc
COPY www /www
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENV PATH=/bin
CMD ["sh", "-c", "trap 'exit 0' TERM; httpd -p 8080 -h /www; while :; do sleep 1 & wait $!; done"]
"""


def write_busybox_context(directory: Path, *, greeting: str = "hello") -> None:
    """A build context: busybox, a passwd file, and a web page that says `greeting`."""
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    if busybox is None:
        raise AssertionError("busybox-static is not installed")
    shutil.copy(busybox, directory / "busybox")
    for name in ("etc", "www"):
        (directory / name).mkdir(exist_ok=True)
    (directory / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (directory / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (directory / "www/index.html").write_text(greeting + "\n")
    (directory / "Dockerfile").write_text(DOCKERFILE)


def build_busybox(cluster: Cluster, tag: str, *, greeting: str = "hello") -> None:
    """Build a small image with a shell and a web server (`:8080`) through `minikube-py image build`."""
    with tempfile.TemporaryDirectory() as directory:
        write_busybox_context(Path(directory), greeting=greeting)
        cluster.run("image", "build", "-t", tag, directory)
