import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import websocket_channels as ws


def test_accept_key_is_that_of_rfc_6455_section_1_3() -> None:
    assert ws.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("v5.channel.k8s.io,v4.channel.k8s.io", ws.V5),
        ("v4.channel.k8s.io", ws.V4),
        ("v1.channel.k8s.io, v4.channel.k8s.io", ws.V4),
        ("channel.k8s.io", ""),
        ("", ""),
    ],
)
def test_the_first_common_protocol_is_chosen(offered: str, chosen: str) -> None:
    assert ws.choose_protocol(offered) == chosen


@pytest.mark.parametrize("size", [0, 5, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [b"", b"\x01\x02\x03\x04"])
def test_frames_of_every_length_form_survive(size: int, mask: bytes) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    decoder = ws.Decoder(masked=bool(mask))
    assert decoder.feed(ws.frame(ws.BINARY, payload, mask=mask)) == [ws.Message(ws.BINARY, payload)]


def test_fragments_are_joined_around_a_ping() -> None:
    decoder = ws.Decoder(masked=False)
    wire = b"\x02\x02ab" + ws.frame(ws.PING, b"!") + b"\x80\x02cd"
    assert decoder.feed(wire) == [ws.Message(ws.PING, b"!"), ws.Message(ws.BINARY, b"abcd")]


def test_an_unmasked_client_is_refused() -> None:
    with pytest.raises(ws.WebSocketError):
        ws.Decoder(masked=True).feed(ws.frame(ws.BINARY, b"x"))


def test_a_huge_frame_is_refused_before_it_arrives() -> None:
    with pytest.raises(ws.WebSocketError):
        ws.Decoder(masked=False).feed(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))


@given(st.binary(max_size=100))
def test_any_bytes_end_in_messages_or_the_own_error(data: bytes) -> None:
    with contextlib.suppress(ws.WebSocketError):
        ws.Decoder().feed(data)
