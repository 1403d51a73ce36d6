"""Bodies and queries made to hurt: found by trying, and searched for by hypothesis with a fixed seed.

Whatever is sent gets a `Status` below 500, and the server answers others meanwhile and afterwards.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import strategies

from tests.apiserver.conftest import Api, Pair, config_map

pytestmark = pytest.mark.live

JSON, YAML = "application/json", "application/yaml"
EXAMPLES = 60


def searched(test):
    """Run a test with examples that are the same each time."""
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    return hypothesis.seed(11)(settings(test))


class Client:
    """One connection for many requests; what is answered is checked to be an answer of the API."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._connection = api.connect()

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = JSON) -> tuple[int, object]:
        headers = {"Content-Type": kind} if body is not None else {}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, ValueError) as error:
            self._connection.close()
            raise AssertionError(f"{method} {path} {(body or b'')[:200]!r}: {error!r}") from error
        assert answer.status < 500, (method, path, (body or b"")[:200], data[:300])
        if answer.status >= 400 and answer.headers["Content-Type"].startswith("application/json"):
            status = json.loads(data)
            assert (status["kind"], status["code"]) == ("Status", answer.status)
        return answer.status, data


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api)


def nested(opening: str, closing: str, depth: int) -> bytes:
    return f'{{"metadata":{{"name":"n"}},"data":{opening * depth}1{closing * depth}}}'.encode()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{','.join(['*' + chr(97 + level)] * 9)}]\n" for level in range(9)
)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (JSON, b"", 400),
        (JSON, b"\x00", 400),
        (JSON, b"\xef\xbb\xbf{}", 400),
        (JSON, b'{"metadata":{"name":"n"},"data":{"a":NaN}}', 400),
        (JSON, b'{"metadata":{"name":"n"},"data":{"a":-Infinity}}', 400),
        (JSON, b'{"metadata":{"name":"n","generation":' + b"9" * 5000 + b"}}", 400),
        (JSON, b'{"metadata":{"name":"n","generation":1e999}}', 400),
        (JSON, b'{"metadata":{"name":"n","generation":0.5}}', 400),
        (JSON, nested("[", "]", 100_000), 400),
        (JSON, nested('{"a":', "}", 100_000), 400),
        (JSON, nested('{"a":', "}", 190), 400),
        (JSON, b'{"metadata":{"name":"n"},"data":{"a":"\xff\xfe"}}', 400),
        (JSON, b'{"metadata":{"name":"n"},"data":{"a":"\\ud800"}}', 400),
        (JSON, b'{"metadata":{"name":"n\\u0000"}}', 422),
        (JSON, b'{"metadata":{"name":"../../etc"}}', 422),
        (JSON, b'{"metadata":{"name":"n","labels":{"a\\u0000":"b"}}}', 422),
        (JSON, json.dumps({"metadata": {"name": "n", "labels": {"a": "b" * 300_000}}}).encode(), 422),
        (JSON, json.dumps({"metadata": {"name": "n", "annotations": {"a": "b" * 300_000}}}).encode(), 422),
        (JSON, json.dumps({"metadata": {"name": "n"}, "data": {"a": "b" * 3_145_729}}).encode(), 413),
        (JSON, json.dumps({"metadata": {"name": "n", "finalizers": ["a/" + "b" * 60] * 40_000}}).encode(), 413),
        (YAML, BOMB.encode(), 400),
        (YAML, b"metadata: &m {name: n, labels: *m}", 400),
        (YAML, b"[" * 50_000, 400),
        (YAML, b"{a: " * 5000 + b"1" + b"}" * 5000, 400),
        (YAML, b"!!python/object/apply:os.system ['true']", 400),
        (YAML, b"metadata: {name: 0x" + b"f" * 5000 + b"}", 400),
        (YAML, b"? [a, b]\n: x", 400),
        (YAML, b"a: b\n---\nc: d\n", 400),
        (YAML, b"data: !!set {a, b}", 400),
        (YAML, b"\xff\xfe\x00", 400),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00" + bytes(range(256)), 400),
        ("application/vnd.kubernetes.protobuf", b"", 400),
        ("application/cbor", b"\xd9\xd9\xf7\xa0", 415),
        ("application/*", b"{}", 415),
    ],
    ids=str,
)
def test_a_hostile_body_is_refused(client: Client, api: Api, ns: str, kind: str, body: bytes, code: int):
    assert client.send("POST", f"{ns}/configmaps", body, kind)[0] == code
    assert api.json("GET", f"{ns}/configmaps")[1]["items"] == []


def test_compressed_bodies_are_not_opened(api: Api, ns: str):
    """As upstream: a body is what it is, so there is no bomb to go off."""
    status, _, _ = api.raw("POST", f"{ns}/configmaps", b"\x1f\x8b\x08\x00", Content_Encoding="gzip", Content_Type=JSON)
    assert status == 400


def test_warnings_are_cut_to_what_clients_can_read(api: Api, ns: str):
    unknown = ",".join(f'"{"k" * 300}{index}":1' for index in range(1000))
    body = f'{{"metadata":{{"name":"n"}},{unknown}}}'.encode()
    status, headers, _ = api.raw("POST", f"{ns}/configmaps?dryRun=All", body, Content_Type=JSON)
    warnings = headers.get_all("Warning")
    assert status == 201
    assert 10 < len(warnings) < 20
    assert sum(map(len, warnings)) < 5000
    status, answer = api.json("POST", f"{ns}/configmaps?dryRun=All&fieldValidation=Strict", body)
    assert status == 400
    assert answer["message"].count("unknown field") == 100


PATCHES = {
    "copies that double": [{"op": "copy", "from": "/data", "path": f"/data/c{index}"} for index in range(40)],
    "metadata in metadata": [{"op": "copy", "from": "/metadata", "path": f"/metadata/c{n}"} for n in range(60)],
    "a long pointer": [{"op": "add", "path": "/a" * 100_000, "value": 1}],
    "a huge index": [{"op": "add", "path": "/metadata/finalizers/99999999999999999999", "value": "a"}],
    "the root": [{"op": "remove", "path": ""}],
    "another root": [{"op": "replace", "path": "", "value": []}],
    "no operations": [{}],
    "no pointer": [{"op": "add", "path": "data", "value": 1}],
    "a tilde": [{"op": "add", "path": "/~2", "value": 1}],
    "numbers": [{"op": 1, "path": 2, "from": 3}],
    "no from": [{"op": "copy", "path": "/data/x"}],
    "into itself": [{"op": "move", "from": "/data", "path": "/data/x/y"}],
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_hostile_json_patch_is_refused(client: Client, api: Api, pair: Pair, ns: str, name: str):
    api.json("POST", f"{ns}/configmaps", config_map("a", x="1" * 10_000))
    before = api.json("GET", f"{ns}/configmaps/a")
    body = json.dumps(PATCHES[name]).encode()
    assert 400 <= client.send("PATCH", f"{ns}/configmaps/a", body, "application/json-patch+json")[0] < 500
    assert api.json("GET", f"{ns}/configmaps/a") == before
    assert int(Path(f"/proc/{pair.server.pid}/statm").read_text().split()[1]) * 4 // 1024 < 1000


def test_a_patch_may_copy_what_is_small(api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))
    patch = [{"op": "copy", "from": "/data/x", "path": f"/data/c{index}"} for index in range(40)]
    status, changed = api.json("PATCH", f"{ns}/configmaps/a", patch, "application/json-patch+json")
    assert (status, len(changed["data"])) == (200, 41)


def test_long_yaml_keeps_nobody_waiting(api: Api, ns: str):
    lines = "\n".join(f"  key-{index}: value" for index in range(20_000))
    body = f"metadata: {{name: long}}\ndata:\n{lines}\n".encode()
    status, made = api.json("POST", f"{ns}/configmaps", body, YAML)
    assert (status, len(made["data"])) == (201, 20_000)


HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"limit={HUGE}", 400),
        ("limit=-5", 200),
        ("limit=%D9%A1x", 400),
        ("resourceVersion=%D9%A1", 400),
        (f"resourceVersion={HUGE}", 400),
        ("resourceVersion=-1", 400),
        ("continue=%00", 400),
        ("continue=eyJ2IjoxfQ", 400),
        ("continue=" + "A" * 100_000, 400),
        ("labelSelector=" + "a" * 100_000, 400),
        ("labelSelector=a%3Db%3Dc", 400),
        ("labelSelector=(", 400),
        ("labelSelector=%00", 400),
        ("fieldSelector=%00", 400),
        ("fieldSelector=metadata.name%3D%2C%3D", 400),
        ("fieldSelector=a%3Db", 400),
        ("timeout=x", 400),
        (f"timeout={HUGE}s", 400),
        ("&".join(f"a{index}=b" for index in range(5000)), 200),
        ("%ff=%fe&&&===", 200),
    ],
)
def test_a_hostile_query_is_answered(client: Client, ns: str, query: str, code: int):
    assert client.send("GET", f"{ns}/configmaps?{query}")[0] == code


def test_hostile_delete_options_are_refused(client: Client, ns: str):
    for text in ("--5", "5-", "+", HUGE, "%D9%A1", "1.5", "0x1"):
        assert client.send("DELETE", f"{ns}/configmaps/x?gracePeriodSeconds={text}")[0] == 400, text


def test_a_watch_may_name_any_timeout(api: Api, ns: str):
    with api.watch(f"{ns}/configmaps?watch=1&timeoutSeconds={HUGE}") as watch:
        api.json("POST", f"{ns}/configmaps", config_map("a"))
        assert watch.next()[0] == "ADDED"


# -- searched for -----------------------------------------------------------------------------------------------------

LEAVES = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(-(2**70), 2**70),
    strategies.floats(),
    strategies.text(max_size=20),
)
VALUES = strategies.recursive(
    LEAVES,
    lambda inner: (
        strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = ("apiVersion", "kind", "metadata", "data", "binaryData", "immutable", "spec", "status")
META = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "managedFields", "uid")
OBJECTS = strategies.fixed_dictionaries(
    {"metadata": strategies.dictionaries(strategies.sampled_from(META), VALUES, max_size=4) | VALUES},
    optional=dict.fromkeys(FIELDS[:2] + FIELDS[3:], VALUES),
)
POINTERS = strategies.lists(
    strategies.sampled_from(["", "data", "metadata", "name", "x", "-", "0", "~0", "~1"]), max_size=4
)
OPERATIONS = strategies.lists(
    strategies.fixed_dictionaries(
        {
            "op": strategies.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
            "path": POINTERS.map(lambda parts: "".join(f"/{part}" for part in parts)),
        },
        optional={"value": VALUES, "from": POINTERS.map(lambda parts: "".join(f"/{part}" for part in parts))},
    ),
    max_size=5,
)
WORDS = strategies.text(string.ascii_letters + string.digits + "=!<>(),. \x00\u00e9/-_%+;:*'\"", max_size=40)


def test_any_object_is_answered(client: Client, ns: str):
    @searched
    @hypothesis.given(OBJECTS, strategies.sampled_from(["configmaps", "secrets", "pods", "services"]))
    def send(value: object, plural: str) -> None:
        client.send("POST", f"{ns}/{plural}?dryRun=All", json.dumps(value).encode())

    send()


def test_any_bytes_are_answered(client: Client, ns: str):
    kinds = [JSON, YAML, "application/vnd.kubernetes.protobuf"]

    @searched
    @hypothesis.given(strategies.binary(max_size=60), strategies.sampled_from(kinds), strategies.booleans())
    def send(body: bytes, kind: str, marked: bool) -> None:
        client.send("POST", f"{ns}/configmaps?dryRun=All", (b"k8s\x00" if marked else b"") + body, kind)

    send()


@pytest.mark.parametrize("kind", ["merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"])
def test_any_patch_is_answered(client: Client, api: Api, ns: str, kind: str):
    api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))

    @searched
    @hypothesis.given(OBJECTS)
    def send(value: dict[str, object]) -> None:
        if "apply" in kind:
            value = {**value, "apiVersion": "v1", "kind": "ConfigMap"}
        query = "dryRun=All&fieldManager=fuzz"
        client.send("PATCH", f"{ns}/configmaps/a?{query}", json.dumps(value).encode(), f"application/{kind}")

    send()


def test_any_json_patch_is_answered(client: Client, api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))

    @searched
    @hypothesis.given(OPERATIONS)
    def send(value: object) -> None:
        body = json.dumps(value).encode()
        client.send("PATCH", f"{ns}/configmaps/a?dryRun=All", body, "application/json-patch+json")

    send()


def test_any_query_is_answered(client: Client, ns: str):
    keys = ["labelSelector", "fieldSelector", "continue", "limit", "resourceVersion", "resourceVersionMatch", "timeout"]

    @searched
    @hypothesis.given(strategies.dictionaries(strategies.sampled_from(keys), WORDS, max_size=3))
    def send(values: dict[str, str]) -> None:
        client.send("GET", f"{ns}/configmaps?" + "&".join(f"{key}={quote(text)}" for key, text in values.items()))

    send()


def test_any_path_is_answered(client: Client):
    parts = [
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "default",
        "pods",
        "status",
        "watch",
        "proxy",
        "..",
        "%2f",
        "%00",
    ]

    @searched
    @hypothesis.given(strategies.lists(strategies.sampled_from(parts) | WORDS.map(quote), max_size=8))
    def send(path: list[str]) -> None:
        client.send("PUT", "/" + "/".join(path), b"{}")
        client.send("OPTIONS", "/" + "/".join(path))

    send()
