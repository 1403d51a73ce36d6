import base64
import json

import pytest

from kubelet.runtime.image_names import credentials, default_policy, with_default_tag


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1", "busybox:1"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("r.io/a@sha256:" + "0" * 64, "r.io/a@sha256:" + "0" * 64),
        ("", None),
        ("Invalid/NAME", None),
        ("a b", None),
        (":x", None),
    ],
)
def test_default_tag(image, expected):
    assert with_default_tag(image) == expected


def test_default_policy():
    assert [default_policy(i) for i in ("a", "a:latest", "a:1")] == ["Always", "Always", "IfNotPresent"]


def secret(**hosts):
    data = json.dumps({"auths": hosts}).encode()
    return {"data": {".dockerconfigjson": base64.b64encode(data).decode()}}


def test_credentials_by_host_and_path_longest_first():
    one = secret(
        **{"r.io": {"auth": base64.b64encode(b"u:p").decode()}, "r.io/team": {"username": "t", "password": "q"}}
    )
    hub = secret(**{"https://index.docker.io/v1/": {"username": "h", "password": "x"}})
    assert [c["username"] for c in credentials("r.io/team/a:1", [one, hub])] == ["t", "u"]
    assert [c["username"] for c in credentials("r.io/other:1", [one])] == ["u"]
    assert [c["username"] for c in credentials("library/busybox:1", [one, hub])] == ["h"]
    assert credentials("x.io/a", [{"data": {".dockerconfigjson": "bm9qc29u"}}]) == []
