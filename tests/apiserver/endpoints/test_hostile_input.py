"""Whatever is sent gets a Status below 500 and leaves the server alive (schemas known, values not)."""

import json
import random

import pytest

from tests.apiserver.conftest import Api, config_map, pod

pytestmark = pytest.mark.live

JUNK = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "\u0000",
    "é" * 300,
    [],
    {},
    [1],
    {"a": 1},
    [[]],
    [None],
    {"": ""},
    "1Gi",
    "-",
]


def template():
    return {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}


def samples(space: str):
    core, apps = space, space.replace("/api/v1", "/apis/apps/v1")
    yield f"{core}/pods", pod("p", a="b")
    yield f"{core}/configmaps", config_map("c", x="1")
    ports = [{"port": 80, "nodePort": 0, "targetPort": "x"}]
    service = {"type": "NodePort", "ports": ports, "selector": {"a": "b"}, "clusterIP": "", "ipFamilies": ["IPv4"]}
    yield f"{core}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": service}
    deployment = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template()}
    yield (
        f"{apps}/deployments",
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": deployment},
    )
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "q", "annotations": {}},
        "target": {"name": "n"},
    }
    yield f"{core}/pods/q/binding", binding
    yield (
        f"{core}/pods/q/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "q"}, "deleteOptions": {}},
    )
    yield (
        f"{core}/serviceaccounts/default/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": ["a"], "expirationSeconds": 600, "boundObjectRef": {"kind": "Pod", "name": "q"}},
        },
    )
    review = {"user": "u", "groups": ["g"], "extra": {"a": ["b"]}, "resourceAttributes": {"verb": "get"}}
    yield (
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": review,
        },
    )
    role = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    yield (
        space.replace("/api/v1", "/apis/rbac.authorization.k8s.io/v1") + "/roles",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "r"},
            **role,
        },
    )
    job = {"template": {"spec": {**pod("x")["spec"], "restartPolicy": "Never"}}, "parallelism": 1, "completions": 1}
    yield (
        space.replace("/api/v1", "/apis/batch/v1") + "/jobs",
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": job},
    )


def places(value, path=()):
    """All paths in a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from places(child, (*path, key))


def changed(value, path, junk):
    """The value with junk at a path."""
    if not path:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], junk)
    return copy


def test_junk_in_every_place_is_no_server_error(api: Api, ns: str):
    chance = random.Random(7)
    connection = api.connect()
    api.json("POST", f"{ns}/pods", pod("q"))
    failed = []
    for path, sample in samples(ns):
        for place in places(sample):
            for junk in chance.sample(JUNK, 5):
                body = json.dumps(changed(sample, place, junk)).encode()
                connection.request("POST", f"{path}?dryRun=All", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                data = answer.read()
                if answer.status >= 500:
                    failed.append((path, place, junk, data[:300]))
    assert not failed, failed[:5]


@pytest.mark.parametrize(
    "kind", ["merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml"]
)
def test_junk_patches_are_no_server_error(api: Api, ns: str, kind: str):
    chance = random.Random(11)
    connection = api.connect()
    failed = []
    for path, sample in samples(ns):
        if "metadata" not in sample or not path.endswith(
            ("pods", "configmaps", "services", "deployments", "roles", "jobs")
        ):
            continue
        name = sample["metadata"]["name"]
        api.json("POST", path, sample)
        for place in places(sample):
            for junk in chance.sample(JUNK, 3):
                patch = changed(sample, place, junk)
                if kind == "json-patch+json":
                    pointer = "/" + "/".join(str(part) for part in place)
                    operation = chance.choice(["add", "remove", "replace", "move", "copy", "test", "x"])
                    patch = [{"op": operation, "path": chance.choice([pointer, junk]), "value": junk, "from": "/spec"}]
                query = "?dryRun=All&fieldManager=fuzz" + ("&force=true" if kind == "apply-patch+yaml" else "")
                body = json.dumps(patch).encode()
                connection.request("PATCH", f"{path}/{name}{query}", body, {"Content-Type": f"application/{kind}"})
                answer = connection.getresponse()
                data = answer.read()
                if answer.status >= 500:
                    failed.append((path, place, junk, data[:300]))
    assert not failed, failed[:5]


def test_junk_queries_are_no_server_error(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("q"))
    connection = api.connect()
    values = [
        "",
        "x",
        "-1",
        "99999999999999999999",
        "true",
        "%00",
        "a%3D%3D%3D",
        "in%20(",
        "!",
        "%2C%2C",
        "eyJ2IjoxfQ",
        "%FF",
    ]
    keys = [
        "labelSelector",
        "fieldSelector",
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "timeoutSeconds",
    ]
    keys += [
        "sendInitialEvents",
        "allowWatchBookmarks",
        "pretty",
        "dryRun",
        "fieldManager",
        "gracePeriodSeconds",
        "watch",
    ]
    for key in keys:
        for value in values:
            if key == "watch" or (key == "resourceVersion" and value.isdecimal()):
                continue
            connection.request("GET", f"{ns}/pods?{key}={value}")
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status < 500, (key, value, data)
            connection.request("DELETE", f"{ns}/pods/none?{key}={value}")
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status < 500, (key, value, data)
