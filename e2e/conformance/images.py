"""The images that the suite's specs run, built on the spot under upstream's names, as no registry can be reached.

busybox is Debian's, web servers are busybox's `httpd`, agnhost is upstream's own on a small Debian.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from e2e.conformance.suite import Suite

_AGNHOST_PACKAGES = "ca-certificates,curl,dnsutils,iperf,iproute2,netcat-openbsd"
_GCR = "gcr.io/kubernetes-e2e-test-images"
_BUSYBOX = "docker.io/library/busybox:1.29"
_AGNHOST = "k8s.gcr.io/e2e-test-images/agnhost:2.21"
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
# Specs move pages away to break a probe, so they lie where the real image has them.
_HTTPD = f'FROM {_BUSYBOX}\nCOPY {{pages}}/ {{home}}/\nEXPOSE 80\nCMD ["httpd","-f","-p","80","-h","{{home}}"]\n'
_HOMES = {"httpd": "/usr/local/apache2/htdocs", "nginx": "/usr/share/nginx/html"}

DOCKERFILES: dict[str, str] = {
    _BUSYBOX: 'FROM scratch\nCOPY busybox/ /\nCMD ["sh"]\n',
    "k8s.gcr.io/pause:3.2": 'FROM scratch\nCOPY agnhost /agnhost\nENTRYPOINT ["/agnhost"]\nCMD ["pause"]\n',
    _AGNHOST: 'FROM scratch\nCOPY agnhost-root/ /\nEXPOSE 80 8080 8081 9376\nENTRYPOINT ["/agnhost"]\nCMD ["pause"]\n',
    **{
        f"docker.io/library/{name}": _HTTPD.format(pages="www", home=_HOMES[name.partition(":")[0]])
        for name in ("httpd:2.4.38-alpine", "httpd:2.4.39-alpine", "nginx:1.14-alpine", "nginx:1.15-alpine")
    },
    f"{_GCR}/nautilus:1.0": _HTTPD.format(pages="nautilus", home="/www"),
    f"{_GCR}/kitten:1.0": _HTTPD.format(pages="kitten", home="/www"),
    f"{_GCR}/nonroot:1.0": f"FROM {_BUSYBOX}\nUSER 1234\n",
    f"{_GCR}/nonewprivs:1.0": (
        f'FROM {_BUSYBOX}\nCOPY nnp /usr/local/bin/nnp\nRUN chmod +s /usr/local/bin/nnp\nCMD ["/usr/local/bin/nnp"]\n'
    ),
    f"{_GCR}/jessie-dnsutils:1.0": f"FROM {_AGNHOST}\n",
    f"{_GCR}/sample-apiserver:1.17": (
        'FROM scratch\nCOPY sample-apiserver /sample-apiserver\nENTRYPOINT ["/sample-apiserver"]\n'
    ),
    "k8s.gcr.io/etcd:3.4.13-0": f'FROM {_AGNHOST}\nCOPY etcd /usr/local/bin/etcd\nENTRYPOINT []\nCMD ["etcd"]\n',
}
"""Image names, and how each is made; earlier ones are bases of later ones."""


def build(suite: Suite, command: list[str], say: Callable[[str], None]) -> None:
    """Build all images into a cluster's store.

    Args:
        suite: where programs and sources lie.
        command: `minikube-py` with the profile, as words.
        say: tells the progress.
    """
    context = suite.directory / "images"
    _prepare(suite, context, say)
    for name, text in DOCKERFILES.items():
        say(f"Building {name} ...")
        dockerfile = suite.directory / "Dockerfile"
        dockerfile.write_text(text)
        subprocess.run([*command, "image", "build", "-t", name, "-f", str(dockerfile), str(context)], check=True)


def _prepare(suite: Suite, context: Path, say: Callable[[str], None]) -> None:
    for folder in ("bin", "dev", "etc", "home", "proc", "root", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var"):
        (context / "busybox" / folder).mkdir(parents=True, exist_ok=True)
    (context / "busybox/tmp").chmod(0o1777)
    (context / "busybox/etc/passwd").write_text(_PASSWD)
    (context / "busybox/etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    shutil.copy("/bin/busybox", context / "busybox/bin/busybox")
    subprocess.run(["chroot", str(context / "busybox"), "/bin/busybox", "--install", "-s", "/bin"], check=True)
    (context / "www").mkdir(exist_ok=True)
    (context / "www/index.html").write_text("<html><body><h1>It works!</h1></body></html>\n")
    for name in ("nautilus", "kitten"):
        shutil.copytree(suite.sources / "test/images" / name / "html", context / name, dirs_exist_ok=True)
    for name in ("agnhost", "nnp", "sample-apiserver"):
        shutil.copy(suite.program(name), context / name)
    shutil.copy("/usr/bin/etcd", context / "etcd")
    root = context / "agnhost-root"
    if not (root / "agnhost").exists():
        say("Making agnhost's Debian ...")
        shutil.rmtree(root, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={_AGNHOST_PACKAGES}", "bookworm", str(root)]
        subprocess.run([*command, "http://deb.debian.org/debian"], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(root / "var/cache/apt")
        shutil.rmtree(root / "var/lib/apt/lists")
        for name in ("localhost.crt", "localhost.key"):
            shutil.copy(suite.sources / "test/images/agnhost/porter" / name, root / name)
        (root / "uploads").mkdir()
        shutil.copy(suite.program("agnhost"), root / "agnhost")
        (root / "agnhost-2").symlink_to("agnhost")
