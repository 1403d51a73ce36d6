import gzip
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from e2e.cluster import Cluster, wait_for
from e2e.images import build_busybox, write_busybox_context
from e2e.manifests import pod


def waiting_reason(cluster: Cluster, namespace: str, name: str) -> str:
    rows = cluster.get("pod", name, "-n", namespace)["status"].get("containerStatuses") or [{}]
    return rows[0].get("state", {}).get("waiting", {}).get("reason", "")


def test_built_image_is_listed_run_and_removed(cluster: Cluster, namespace: str):
    build_busybox(cluster, "e2e-built:v3", greeting="built")
    names = cluster.run("image", "ls").stdout.split()
    assert any(name.endswith("/e2e-built:v3") for name in names)
    cluster.apply(
        pod("built", "e2e-built:v3", ["cat", "/www/index.html"], restartPolicy="Never"), flags=["-n", namespace]
    )
    wait_for("it ran", lambda: cluster.get("pod", "built", "-n", namespace)["status"]["phase"] == "Succeeded")
    assert cluster.kubectl("logs", "built", "-n", namespace).stdout == "built\n"
    cluster.kubectl("delete", "pod", "built", "-n", namespace)
    cluster.run("image", "rm", "e2e-built:v3")
    assert not any("e2e-built" in name for name in cluster.run("image", "ls").stdout.split())


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "docker-archive-gz", "oci-dir"])
def test_archives_can_be_loaded(cluster: Cluster, busybox: str, tmp_path: Path, form: str):
    source = f"containers-storage:[overlay@{cluster.home}/storage+/run/minikube-py-store-{cluster.profile}]{busybox}"
    name = f"localhost/loaded-{form}:v1"
    kind = form.removesuffix("-gz").replace("oci-dir", "oci")
    target = tmp_path / ("layout" if kind == "oci" else "image.tar")
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", source, f"{kind}:{target}:{name}"], check=True)
    if form.endswith("-gz"):
        with target.open("rb") as plain, gzip.open(tmp_path / "image.tar.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        target = tmp_path / "image.tar.gz"
    assert name in cluster.run("image", "load", str(target)).stdout
    assert name in cluster.run("image", "ls").stdout


def test_bad_archives_are_refused_with_the_reason(cluster: Cluster, tmp_path: Path):
    (tmp_path / "junk.tar").write_bytes(b"not a tar" * 100)
    refused = cluster.run("image", "load", str(tmp_path / "junk.tar"), check=False)
    assert refused.returncode == 80
    assert "not an image archive" in refused.stderr
    assert cluster.run("image", "load", str(tmp_path / "absent.tar"), check=False).returncode == 80


def test_failed_build_ends_with_the_builders_words(cluster: Cluster, tmp_path: Path):
    write_busybox_context(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY no-such-file /\n")
    failed = cluster.run("image", "build", "-t", "broken", str(tmp_path), check=False)
    assert failed.returncode == 80
    assert "no-such-file" in failed.stderr


def test_pull_policies_give_upstreams_reasons(cluster: Cluster, busybox: str, namespace: str):
    cluster.apply(
        pod("absent", "127.0.0.1:1/none/such:v1"),
        pod("never", "localhost/never-made:v1", container={"imagePullPolicy": "Never"}),
        pod("invalid", "UPPER//case"),
        flags=["-n", namespace],
    )
    wait_for(
        "the pull fails",
        lambda: waiting_reason(cluster, namespace, "absent") in ("RegistryUnavailable", "ErrImagePull"),
    )
    wait_for("it backs off", lambda: waiting_reason(cluster, namespace, "absent") == "ImagePullBackOff")
    wait_for("never is told", lambda: waiting_reason(cluster, namespace, "never") == "ErrImageNeverPull")
    wait_for("invalid is told", lambda: waiting_reason(cluster, namespace, "invalid") == "InvalidImageName")


@pytest.fixture
def registry(tmp_path: Path):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "config.yml").write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path}/data\nhttp:\n  addr: 127.0.0.1:{port}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(tmp_path / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_pulled_from_a_local_registry_by_command_and_by_pod(
    cluster: Cluster, busybox: str, namespace: str, registry: str
):
    source = f"containers-storage:[overlay@{cluster.home}/storage+/run/minikube-py-store-{cluster.profile}]{busybox}"
    for name in ("one", "two"):
        subprocess.run(
            [
                "skopeo",
                "--insecure-policy",
                "copy",
                "-q",
                "--dest-tls-verify=false",
                source,
                f"docker://{registry}/e2e/{name}:v1",
            ],
            check=True,
        )
    cluster.run("image", "pull", f"{registry}/e2e/one:v1")
    assert f"{registry}/e2e/one:v1" in cluster.run("image", "ls").stdout
    cluster.apply(
        pod("pulled", f"{registry}/e2e/two:v1", container={"imagePullPolicy": "Always"}), flags=["-n", namespace]
    )
    cluster.wait_ready("app=pulled", namespace=namespace)
    cluster.apply(pod("unknown", f"{registry}/e2e/none:v1"), flags=["-n", namespace])
    wait_for("the pull fails", lambda: waiting_reason(cluster, namespace, "unknown") == "ErrImagePull")


def test_an_image_is_tagged_pushed_saved_and_comes_back(cluster: Cluster, busybox: str, registry: str, tmp_path: Path):
    pushed = f"{registry}/e2e/pushed:v1"
    cluster.run("image", "tag", busybox, pushed)
    assert {busybox, pushed} <= set(cluster.run("image", "ls").stdout.split())
    cluster.run("image", "push", pushed)
    with urllib.request.urlopen(f"http://{registry}/v2/e2e/pushed/tags/list", timeout=10) as answer:
        assert b'"v1"' in answer.read()
    saved = "localhost/e2e-saved:v1"
    cluster.run("image", "tag", busybox, saved)
    for _ in range(2):
        cluster.run("image", "save", saved, str(tmp_path / "saved.tar"))
    assert [path.name for path in tmp_path.glob("*.tar")] == ["saved.tar"]
    assert saved in cluster.run("image", "load", str(tmp_path / "saved.tar")).stdout
    missing = cluster.run("image", "tag", "localhost/never-made:v1", "x", check=False)
    assert (missing.returncode, "never-made" in missing.stderr) == (80, True)
    assert cluster.run("image", "push", "localhost:1/none:v1", check=False).returncode == 80
