"""Protobuf bodies to JSON: hand-made messages, and whatever bytes come."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.errors import BadRequest
from apiserver.protobuf.decode import decode


def varint(number: int) -> bytes:
    out = b""
    number &= (1 << 64) - 1
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def test_a_deployment():
    container = field(1, "c") + field(2, "busybox") + field(7, field(1, "A") + field(2, ""))
    resources = field(1, field(1, "cpu") + field(2, field(1, "100m")))
    container += field(8, resources) + field(16, 0)
    template = field(1, field(11, field(1, "a") + field(2, "b"))) + field(2, field(2, container))
    spec = field(1, 0) + field(3, template) + field(5, 0)
    meta = field(1, "d") + field(2, "") + field(8, b"") + field(9, field(1, 1600000000))
    body = envelope("apps/v1", "Deployment", field(1, meta) + field(2, spec))
    obj = decode(body)
    assert obj["metadata"] == {"name": "d", "deletionTimestamp": "2020-09-13T12:26:40Z"}
    assert obj["spec"]["replicas"] == 0  # a pointer: its zero means something
    assert "minReadySeconds" not in obj["spec"]
    made = obj["spec"]["template"]["spec"]["containers"][0]
    assert made == {"name": "c", "image": "busybox", "env": [{"name": "A"}], "resources": {"limits": {"cpu": "100m"}}}
    assert obj["spec"]["template"]["metadata"]["labels"] == {"a": "b"}


def test_embedded_structs_and_bytes():
    volume = field(1, "v") + field(2, field(6, field(1, "s")))
    obj = decode(envelope("v1", "Pod", field(2, field(1, volume))))
    assert obj["spec"]["volumes"] == [{"name": "v", "secret": {"secretName": "s"}}]
    secret = decode(envelope("v1", "Secret", field(2, field(1, "k") + field(2, b"\xff"))))
    assert secret["data"] == {"k": "/w=="}


def test_extra_values_and_int_or_string():
    spec = field(5, field(1, "scopes") + field(2, field(1, "a") + field(1, "b")))
    obj = decode(envelope("authorization.k8s.io/v1", "SubjectAccessReview", field(2, spec)))
    assert obj["spec"]["extra"] == {"scopes": ["a", "b"]}
    budget = field(2, field(1, field(1, 1) + field(3, "50%")))
    assert decode(envelope("policy/v1", "PodDisruptionBudget", budget))["spec"] == {"minAvailable": "50%"}


@pytest.mark.parametrize(
    "body", [b"", b"k8s\0", b"{}", envelope("v1", "Nothing", b""), envelope("v1", "Pod", b"\x12\x7f")]
)
def test_what_is_no_object(body):
    with pytest.raises(BadRequest):
        decode(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_bad_request(data):
    for body in (b"k8s\0" + data, envelope("v1", "Pod", data)):
        with contextlib.suppress(BadRequest):
            decode(body)
