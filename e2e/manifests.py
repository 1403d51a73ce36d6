"""Small manifests that tests share."""

from typing import Any

SERVE = "trap 'exit 0' TERM; httpd -p 8080 -h /www; while :; do sleep 1 & wait $!; done"


def pod(name: str, image: str, command: list[str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Pod of one container `main`; keywords of `container` go to it, the rest to the spec."""
    container: dict[str, Any] = {"name": "main", "image": image, **spec.pop("container", {})}
    if command is not None:
        container["command"] = command
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}, **spec.pop("metadata", {})},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 5, **spec},
    }


def deployment(name: str, image: str, replicas: int = 1, command: list[str] | None = None) -> dict[str, Any]:
    """A Deployment whose pods serve on 8080."""
    template = pod(name, image, command)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
        },
    }


def service(name: str, port: int = 80, target: int = 8080, **spec: Any) -> dict[str, Any]:
    """A Service for the pods labelled `app=name`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}], **spec},
    }
