"""The finalizer of a Job's pods goes once, also where the cache is behind."""

from typing import Any

import pytest

from apimachinery import errors
from apimachinery.client.informer import Event
from controllers.job.pods import FINALIZER, is_tracked
from controllers.job.tracking import Tracking

Obj = dict[str, Any]


def _pod(name: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "n", "uid": name, "finalizers": ["x/y", FINALIZER]}}


class _Server:
    """Answers patches; some with an error."""

    def __init__(self, **answers: Exception) -> None:
        self._answers = answers
        self.patches: list[Obj] = []

    async def patch(self, _resource: str, name: str, patch: Obj, _namespace: str, *, patch_type: str) -> Obj:
        if name in self._answers:
            raise self._answers[name]
        assert patch_type == "strategic"
        self.patches.append(patch)
        return {}


async def test_a_pod_is_seen_without_its_finalizer_before_the_cache_knows() -> None:
    server = _Server()
    tracking = Tracking(server)  # type: ignore[arg-type]
    pods = [_pod("a"), _pod("b")]
    assert await tracking.release(pods[:1]) == ({"a"}, None)
    assert server.patches == [{"metadata": {"uid": "a", "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}]
    assert [is_tracked(pod) for pod in tracking.view(pods)] == [False, True]
    assert tracking.view(pods)[0]["metadata"]["finalizers"] == ["x/y"]
    bare = {"metadata": {**pods[0]["metadata"], "finalizers": ["x/y"]}}
    tracking.observe(Event("MODIFIED", pods[0], bare))
    assert tracking.view(pods) == pods


@pytest.mark.parametrize(
    ("answer", "released"), [(errors.NotFound("gone"), {"a", "b"}), (errors.Timeout("slow"), {"b"})]
)
async def test_a_pod_stays_tracked_where_its_finalizer_stays_and_why_is_told(
    answer: Exception, released: set[str]
) -> None:
    tracking = Tracking(_Server(a=answer))  # type: ignore[arg-type]
    done, problem = await tracking.release([_pod("a"), _pod("b")])
    assert (done, problem) == (released, None if "a" in released else answer)
    assert is_tracked(tracking.view([_pod("a")])[0]) is ("a" not in released)
