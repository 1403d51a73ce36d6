"""`Warning` headers: for what is old, without effect, or surprising, on writes and on every answer about old kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver.conftest import Api, pod

pytestmark = pytest.mark.live


def _told(api: Api, method: str, path: str, obj: Any = None, kind: str = "application/json") -> list[str]:
    body = json.dumps(obj).encode() if obj is not None else None
    status, headers, data = api.raw(method, path, body, **({"Content_Type": kind} if obj is not None else {}))
    assert status in (200, 201), data
    return headers.get_all("Warning") or []


def test_a_pod_is_warned_of_where_it_is_written_and_changed(api: Api, ns: str) -> None:
    twice = pod("a")
    twice["spec"]["containers"][0]["env"] = [{"name": "E", "value": "1"}, {"name": "E", "value": "2"}]
    told = (
        '299 - "spec.containers[0].env[1]: hides previous definition of \\"E\\", which may be dropped when using apply"'
    )
    assert _told(api, "POST", f"{ns}/pods?dryRun=All", twice) == [told]
    assert _told(api, "POST", f"{ns}/pods", twice) == [told]
    merge = "application/merge-patch+json"
    assert _told(api, "PATCH", f"{ns}/pods/a", {"metadata": {"labels": {"a": "b"}}}, merge) == []
    assert _told(api, "PATCH", f"{ns}/pods/a", {"spec": {"activeDeadlineSeconds": 9}}, merge) == [told]


def test_templates_are_looked_into(api: Api, ns: str) -> None:
    template = pod("x", a="b")
    template["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    spec = {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}} | {"spec": template["spec"]},
    }
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    told = _told(api, "POST", ns.replace("/api/v1", "/apis/apps/v1") + "/deployments", body)
    assert len(told) == 1
    assert "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14" in told[0]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/v1/endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        ("/api/v1/componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"),
        ("/api/v1/pods", None),
    ],
)
def test_old_kinds_are_told_with_every_answer(api: Api, path: str, told: str | None) -> None:
    assert _told(api, "GET", path) == ([f'299 - "{told}"'] if told else [])
