"""Requests that schemathesis makes out of our own OpenAPI: well-formed, half right and wrong ones.

The seed is fixed: every run sends the same requests, so that a failure is a change of ours and not of the dice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apimachinery.resources import RESOURCES

if TYPE_CHECKING:
    from tests.apiserver.conftest import Api

schemathesis = pytest.importorskip("schemathesis")
requests = pytest.importorskip("requests")
hypothesis = pytest.importorskip("hypothesis")

pytestmark = pytest.mark.live

EXAMPLES = 2
GROUP_VERSIONS = sorted({f"apis/{r.group}/{r.version}" if r.group else f"api/{r.version}" for r in RESOURCES})
# What is passed on to a kubelet, which is not there.
STREAMS = ("/exec", "/attach", "/portforward", "/log", "/proxy", "/proxy/{path}")


def operations(api: Api, group_version: str) -> list[object]:
    status, document = api.json("GET", f"/openapi/v3/{group_version}")
    assert status == 200
    found = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    return [one for one in found if not one.path.endswith(STREAMS) and "/watch/" not in one.path]


@pytest.mark.parametrize("group_version", GROUP_VERSIONS)
def test_whatever_is_sent_gets_an_answer_of_the_api(api: Api, group_version: str) -> None:
    answered = 0
    for operation in operations(api, group_version):

        @hypothesis.seed(7)
        @hypothesis.given(case=operation.as_strategy())
        @hypothesis.settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        def send(case: schemathesis.Case) -> None:
            nonlocal answered
            words = case.as_transport_kwargs(base_url="http://ours")
            known = ("method", "url", "headers", "params", "json", "data")
            request = requests.Request(**{key: words[key] for key in known if key in words}).prepare()
            # A watch is answered when it ends, and most of these would not.
            path = request.path_url.replace("watch=", "unwatched=")
            body = request.body.encode() if isinstance(request.body, str) else request.body
            headers = {k.replace("-", "_"): v for k, v in request.headers.items() if k != "Content-Length"}
            status, _, data = api.raw(request.method, path, body, **headers)
            answered += 1
            assert status < 500, f"{request.method} {path} {body!r}: {status} {data[:500]!r}"
            if status >= 400:
                assert json.loads(data)["kind"] == "Status"

        send()
    assert answered
