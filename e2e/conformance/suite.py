"""Upstream's e2e suite and its test programs, built from the source that Debian 12 carries (Kubernetes 1.20.2).

It is the newest whole suite that can be built from Debian's archive. A few of its specs expect what later versions
changed; `expectations.py` names them.
"""

import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_ARCHIVE = (
    "http://deb.debian.org/debian/pool/main/k/kubernetes/kubernetes_1.20.5%2Breally1.20.2.orig.tar.gz"  # no later one
)
_TOOLS = ("golang-go", "debootstrap")
_GENERATED = "test/e2e/generated/bindata.go"
_GO_BINDATA = "github.com/go-bindata/go-bindata/go-bindata"
_FIXTURES = (
    "test/conformance/testdata/...",
    "test/e2e/testing-manifests/...",
    "test/e2e_node/testing-manifests/...",
    "test/images/...",
    "test/fixtures/...",
)
# Token Secrets are not made for every ServiceAccount since 1.24, so the framework must not wait for them.
_WAITS_FOR_SECRETS = re.compile(r"return len\(t\.Secrets\) > 0, nil")


@dataclass(frozen=True, slots=True)
class Suite:
    """Where everything lies."""

    directory: Path

    @property
    def sources(self) -> Path:
        """The tree, at the place where Go looks for it."""
        return self.directory / "gopath/src/k8s.io/kubernetes"

    @property
    def programs(self) -> Path:
        """What was built."""
        return self.directory / "bin"

    def program(self, name: str) -> Path:
        """Return a built program."""
        return self.programs / name


PROGRAMS = {
    "agnhost": "./test/images/agnhost",
    "nnp": "./test/images/nonewprivs",
    "sample-apiserver": "k8s.io/kubernetes/vendor/k8s.io/sample-apiserver",
}


def build(suite: Suite, say: Callable[[str], None]) -> None:
    """Fetch the source and build the suite; what is there is kept."""
    _install(say)
    if not suite.sources.exists():
        say("Fetching Kubernetes 1.20.2 ...")
        _fetch(suite)
    suite.programs.mkdir(parents=True, exist_ok=True)
    generated = suite.sources / _GENERATED
    if not generated.exists():
        _go(
            suite,
            "build",
            "-o",
            str(suite.program("go-bindata")),
            "./vendor/github.com/go-bindata/go-bindata/go-bindata",
        )
        ignored = [word for name in (r"\.jpg", r"\.png", r"\.md", r"BUILD(\.bazel)?") for word in ("-ignore", name)]
        command = [str(suite.program("go-bindata")), "-nometadata", "-o", _GENERATED, "-pkg", "generated", *ignored]
        subprocess.run([*command, *_FIXTURES], cwd=suite.sources, check=True)
    for name, package in PROGRAMS.items():
        if not suite.program(name).exists():
            say(f"Building {name} ...")
            _go(suite, "build", "-o", str(suite.program(name)), package)
    if not suite.program("e2e.test").exists():
        say("Building e2e.test (some minutes) ...")
        _go(suite, "test", "-c", "-o", str(suite.program("e2e.test")), "./test/e2e")


def _install(say: Callable[[str], None]) -> None:
    missing = [name for name, tool in zip(_TOOLS, ("go", "debootstrap"), strict=True) if not shutil.which(tool)]
    if missing:
        say(f"Installing {' '.join(missing)} ...")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", "-qq", *missing], env=environment, check=True)


def _fetch(suite: Suite) -> None:
    half = suite.directory / "half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    with urllib.request.urlopen(_ARCHIVE, timeout=300) as answer, tarfile.open(fileobj=answer, mode="r|gz") as archive:
        archive.extractall(half, filter="tar")
    tree = next(half.iterdir())
    framework = tree / "test/e2e/framework/util.go"
    text, changed = _WAITS_FOR_SECRETS.subn("return t != nil, nil", framework.read_text())
    if changed != 1:
        raise RuntimeError(f"{framework}: the wait for token Secrets is not where it was")
    framework.write_text(text)
    suite.sources.parent.mkdir(parents=True, exist_ok=True)
    tree.rename(suite.sources)


def _go(suite: Suite, *words: str) -> None:
    environment = {
        **os.environ,
        "GOPATH": str(suite.directory / "gopath"),
        "GOCACHE": os.environ.get("GOCACHE", str(suite.directory / "cache")),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    subprocess.run(["go", *words], cwd=suite.sources, env=environment, check=True)
