"""Kubeconfig files: the ones of our components, and our entry in the person's own.

The person's file is merged, never rewritten from scratch: entries of other clusters, unknown keys and their order stay.
A file that can't be parsed is left alone and reported.
"""

import base64
import os
from pathlib import Path
from typing import Any

from linux.files import atomic_write, file_lock
from minikube_py import certificates
from minikube_py.profiles import Profile
from minikube_py.reasons import KUBECONFIG, Failure

_COMPONENTS = {
    "admin": "admin",
    "controller-manager": "controller-manager",
    "scheduler": "scheduler",
    "kubelet": "kubelet-client",
    "proxy": "proxy",
    "dns": "dns",
}
_LISTS = ("clusters", "users", "contexts")


def write_component_files(profile: Profile) -> None:
    """Write `kubeconfigs/COMPONENT.conf` for each component, with the certificates inside."""
    import json

    where = profile.directory / "kubeconfigs"
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    for component, leaf in _COMPONENTS.items():
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": profile.name, "cluster": _cluster(profile)}],
            "users": [{"name": component, "user": _user(profile, leaf)}],
            "contexts": [
                {"name": profile.name, "context": {"cluster": profile.name, "user": component}},
            ],
            "current-context": profile.name,
        }
        # JSON is YAML: every kubectl and client library reads it, and writing it needs no YAML library at start.
        atomic_write(where / f"{component}.conf", json.dumps(document, indent=1).encode(), 0o600)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _cluster(profile: Profile) -> dict[str, Any]:
    return {
        "server": profile.server,
        "certificate-authority-data": _encoded(certificates.directory(profile) / "ca.crt"),
    }


def _user(profile: Profile, leaf: str) -> dict[str, Any]:
    where = certificates.directory(profile)
    return {
        "client-certificate-data": _encoded(where / f"{leaf}.crt"),
        "client-key-data": _encoded(where / f"{leaf}.key"),
    }


def path() -> Path:
    """The person's file: the first of `$KUBECONFIG` that exists (else its last), or `~/.kube/config`."""
    listed = [Path(entry) for entry in os.environ.get("KUBECONFIG", "").split(":") if entry]
    for entry in listed:
        if entry.exists():
            return entry
    return listed[-1] if listed else Path.home() / ".kube" / "config"


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        text = file.read_text()
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise Failure(KUBECONFIG, f"{file} can't be read: {error}") from error
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise Failure(KUBECONFIG, f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or any(not isinstance(document.get(key) or [], list) for key in _LISTS):
        raise Failure(KUBECONFIG, f"{file} is not a kubeconfig")
    return document


def _write(file: Path, document: dict[str, Any]) -> None:
    import yaml

    file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    text = yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    try:
        atomic_write(file.resolve(), text.encode(), 0o600)
    except OSError as error:
        raise Failure(KUBECONFIG, f"{file} can't be written: {error}") from error


def _put(document: dict[str, Any], key: str, name: str, value: dict[str, Any]) -> None:
    entries = document.setdefault(key, None) or []
    document[key] = [entry for entry in entries if entry.get("name") != name] + [{"name": name, **value}]


def _entries(profile: Profile) -> dict[str, dict[str, Any]]:
    where = certificates.directory(profile)
    extension = [{"name": "cluster_info", "extension": {"provider": "minikube-py"}}]
    return {
        "clusters": {
            "cluster": {
                "certificate-authority": str(where / "ca.crt"),
                "extensions": extension,
                "server": profile.server,
            }
        },
        "users": {
            "user": {"client-certificate": str(where / "admin.crt"), "client-key": str(where / "admin.key")},
        },
        "contexts": {"context": {"cluster": profile.name, "namespace": "default", "user": profile.name}},
    }


def merge(profile: Profile, *, make_current: bool = True) -> bool:
    """Put the profile's cluster, user and context into the person's kubeconfig.

    Returns:
        Whether the file was changed.

    Raises:
        Failure: KUBECONFIG.
    """
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with file_lock(file.with_name(file.name + ".lock")):
        document = _read(file)
        before = repr(document)
        document.setdefault("apiVersion", "v1")
        document.setdefault("kind", "Config")
        for key, value in _entries(profile).items():
            _put(document, key, profile.name, value)
        document.setdefault("preferences", {})
        if make_current:
            document["current-context"] = profile.name
        if repr(document) != before:
            _write(file, document)
            return True
    return False


def unmerge(name: str) -> None:
    """Take a profile's entries out of the person's kubeconfig, if they are there.

    Raises:
        Failure: KUBECONFIG.
    """
    file = path()
    if not file.exists():
        return
    with file_lock(file.with_name(file.name + ".lock")):
        document = _read(file)
        before = repr(document)
        for key in _LISTS:
            if document.get(key):
                document[key] = [entry for entry in document[key] if entry.get("name") != name]
        if document.get("current-context") == name:
            document["current-context"] = ""
        if repr(document) != before:
            _write(file, document)


def state(profile: Profile) -> str:
    """`Configured`, or `Misconfigured` where the person's kubeconfig points elsewhere or lacks the context."""
    try:
        document = _read(path())
    except Failure:
        return "Misconfigured"
    for entry in document.get("clusters") or []:
        if entry.get("name") == profile.name:
            right = (entry.get("cluster") or {}).get("server") == profile.server
            return "Configured" if right else "Misconfigured"
    return "Misconfigured"
