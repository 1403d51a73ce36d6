import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri.images import repair

RECORDS = [{"id": "a", "names": ["x [,]}"]}, {"id": "b", "parent": "a"}, {"id": "c"}]


@given(st.integers(min_value=0, max_value=len(json.dumps(RECORDS))))
def test_whole_records_are_saved_from_a_file_cut_anywhere(place: int) -> None:
    data = json.dumps(RECORDS, separators=(",", ":")).encode()[:place]
    kept = repair.salvage(data)
    assert kept == RECORDS[: len(kept)]
    ends = [len(json.dumps(RECORDS[: n + 1], separators=(",", ":"))) - 1 for n in range(3)]
    assert len(kept) == sum(end <= place for end in ends)


@pytest.mark.parametrize("data", [b"", b"\0" * 50, b"{}", b"null", b"[1,2]", b'[{"no": "id"}]', b"\xff\xfe["])
def test_what_holds_no_records(data: bytes) -> None:
    assert repair.salvage(data) == []


def test_the_layers_of_an_image_follow_from_its_configuration() -> None:
    one, two = "1" * 64, "2" * 64
    config = {"rootfs": {"diff_ids": [f"sha256:{one}", f"sha256:{two}"]}}
    chain = repair.layer_chain(config, {"layers": [{"digest": "sha256:x", "size": 7}]})
    assert chain[0] == {
        "id": one,
        "diff-digest": f"sha256:{one}",
        "compressed-diff-digest": "sha256:x",
        "compressed-size": 7,
    }
    assert chain[1]["id"] == hashlib.sha256(f"{one}+{two}".encode()).hexdigest()
    assert chain[1]["parent"] == one
    assert repair.layer_chain({}, {}) == []
