"""Read back with a decoder that knows only the wire format."""

import json

from apimachinery.resources import RESOURCES
from apiserver.endpoints.openapi import openapi_v2
from apiserver.endpoints.openapi_protobuf import to_protobuf


def fields(data):
    found = []
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        tag = varint()
        if tag & 7 == 2:
            length = varint()
            found.append((tag >> 3, data[at : at + length]))
            at += length
        elif tag & 7 == 1:
            found.append((tag >> 3, data[at : at + 8]))
            at += 8
        else:
            found.append((tag >> 3, varint()))
    return found


def named(data):
    return {dict(fields(one))[1].decode(): dict(fields(one))[2] for _, one in fields(data)}


def test_everything_is_there_again():
    document = openapi_v2([one for one in RESOURCES if one.plural == "pods"])
    plain = json.loads(document)
    made = dict(fields(to_protobuf(document)))
    assert made[1] == b"2.0"
    definitions = named(made[9])
    assert set(definitions) == set(plain["definitions"])
    pod = fields(definitions["io.k8s.api.core.v1.Pod"])
    properties = named(dict(pod)[25])
    assert set(properties) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert dict(fields(properties["spec"]))[1] == b"#/definitions/io.k8s.api.core.v1.PodSpec"
    extensions = named(b"".join(_again(31, one) for number, one in pod if number == 31))
    assert json.loads(dict(fields(extensions["x-kubernetes-group-version-kind"]))[2]) == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]
    paths = {dict(fields(one))[1].decode() for _, one in fields(made[8])}
    assert paths == set(plain["paths"])


def _again(number, payload):
    made = bytes([number << 3 & 127 | 2 | 128, number >> 4])
    length = len(payload)
    size = bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    size.append(length)
    return made + bytes(size) + payload
