import pytest

from cri.images.storage import Image
from cri.rpc.list_images import is_pinned

IMAGE = Image("id", "", ("quay.io/team/app:1",), ("quay.io/team/app@sha256:aa",), "", 1, "", "")


@pytest.mark.parametrize(
    ("pattern", "pinned"),
    [
        ("quay.io/team/app:1", True),
        ("quay.io/team/*", True),
        ("*team*", True),
        ("quay.io/team/app@sha256:aa", True),
        ("quay.io/team/app", False),
        ("quay.io/TEAM/*", False),
        ("[q]uay.io/*", False),
        ("", False),
    ],
)
def test_pinned_images_are_named_whole_by_their_start_or_by_a_part(pattern: str, *, pinned: bool) -> None:
    assert is_pinned(IMAGE, (pattern,)) is pinned
