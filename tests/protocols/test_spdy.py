import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import spdy


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    # 0xE3C6A7C2 is the checksum that every SPDY/3 peer's zlib header names.
    assert len(spdy.DICTIONARY) == 1423
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


FRAMES = [
    spdy.SynStream(1, {"streamtype": "error"}),
    spdy.SynStream(3, {"streamtype": "data", "port": "80", "requestid": "0"}, fin=True),
    spdy.SynReply(1, {}),
    spdy.Headers(1, {"a": "b"}),
    spdy.Data(1, b"hello"),
    spdy.Data(3, b"", fin=True),
    spdy.RstStream(1, spdy.CANCEL),
    spdy.Ping(7),
    spdy.GoAway(3, 0),
]


@pytest.mark.parametrize("step", [1, 2, 7, 100000])
def test_frames_survive_the_wire_in_pieces_of_any_size(step: int) -> None:
    sender, receiver = spdy.Codec(), spdy.Codec()
    wire = b"".join(sender.encode(frame) for frame in FRAMES)
    received = []
    for start in range(0, len(wire), step):
        received += receiver.feed(wire[start : start + step])
    assert received == FRAMES


def test_window_updates_and_settings_are_ignored() -> None:
    update = bytes([0x80, 3, 0, spdy.WINDOW_UPDATE, 0, 0, 0, 8]) + bytes(8)
    settings = bytes([0x80, 3, 0, spdy.SETTINGS, 0, 0, 0, 4]) + bytes(4)
    assert spdy.Codec().feed(update + settings) == []


@pytest.mark.parametrize(
    "wire",
    [
        bytes([0x80, 2, 0, 1, 0, 0, 0, 0]),  # SPDY/2
        bytes([0x80, 3, 0, spdy.SYN_STREAM, 0, 0, 0, 4]) + bytes(4),  # too short
        bytes([0x80, 3, 0, spdy.SYN_STREAM, 0, 0, 0, 14]) + bytes(10) + b"junk",  # not zlib
        bytes([0, 0, 0, 1, 0, 0xFF, 0xFF, 0xFF]),  # 16 MB frame
    ],
)
def test_broken_frames_are_refused(wire: bytes) -> None:
    with pytest.raises(spdy.SpdyError):
        spdy.Codec().feed(wire)


def test_a_header_bomb_is_refused() -> None:
    sender = spdy.Codec()
    wire = sender.encode(spdy.SynStream(1, {"x": "y" * (spdy.MAX_HEADERS + 1)}))
    with pytest.raises(spdy.SpdyError):
        spdy.Codec().feed(wire)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_frames_or_the_own_error(data: bytes) -> None:
    with contextlib.suppress(spdy.SpdyError):
        spdy.Codec().feed(data)


def test_header_blocks_that_are_cut_off_are_refused() -> None:
    plain = spdy.plain_headers([("a", "b"), ("c", "d")])
    assert spdy.parse_headers(plain) == {"a": "b", "c": "d"}
    for end in range(1, len(plain) - 1):
        with pytest.raises(spdy.SpdyError):
            spdy.parse_headers(plain[:end])


def test_another_version_is_refused_before_its_body_came() -> None:
    with pytest.raises(spdy.SpdyError, match="version 2"):
        spdy.Codec().feed(b"\x80\x02\x00\x01" + b"\x00\x00\x40\x00")
