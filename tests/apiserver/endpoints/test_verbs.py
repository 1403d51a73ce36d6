"""The verbs over HTTP, against a real etcd: what clients rely on (conformance.md 2.0, 2.1)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apiserver.conftest import Api, config_map, pod

pytestmark = pytest.mark.live
PARTIAL = "PartialObjectMetadata"


def names(obj):
    return [item["metadata"]["name"] for item in obj["items"]]


def test_create_get_update_delete(api: Api, ns: str):
    status, made = api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))
    assert status == 201
    assert made["kind"] == "ConfigMap"
    assert made["metadata"]["uid"]
    assert int(made["metadata"]["resourceVersion"]) > 0
    assert api.json("GET", f"{ns}/configmaps/a") == (200, made)
    status, changed = api.json("PUT", f"{ns}/configmaps/a", {**made, "data": {"x": "2"}})
    assert status == 200
    assert changed["data"] == {"x": "2"}
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    status, gone = api.json("DELETE", f"{ns}/configmaps/a")
    assert (status, gone["kind"], gone["status"]) == (200, "Status", "Success")
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    status, missing = api.json("GET", f"{ns}/configmaps/a")
    assert (status, missing["reason"], missing["message"]) == (404, "NotFound", 'configmaps "a" not found')


def test_duplicate_create_is_a_conflict(api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("a"))
    assert (status, answer["reason"]) == (409, "AlreadyExists")


def test_stale_version_is_a_conflict_and_none_overwrites(api: Api, ns: str):
    _, made = api.json("POST", f"{ns}/configmaps", config_map("a"))
    api.json("PUT", f"{ns}/configmaps/a", config_map("a", x="1"))
    status, answer = api.json("PUT", f"{ns}/configmaps/a", {**made, "data": {"x": "2"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer["message"]
    assert api.json("PUT", f"{ns}/configmaps/a", config_map("a", x="3"))[0] == 200


def test_update_without_change_writes_nothing(api: Api, ns: str):
    _, made = api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))
    _, same = api.json("PUT", f"{ns}/configmaps/a", made)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_generate_name(api: Api, ns: str):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}
    found = {api.json("POST", f"{ns}/configmaps", obj)[1]["metadata"]["name"] for _ in range(5)}
    assert len(found) == 5
    assert all(name.startswith("x-") and len(name) == 7 for name in found)


def test_patch_types(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("p"))
    merge, strategic = "application/merge-patch+json", "application/strategic-merge-patch+json"
    status, obj = api.json("PATCH", f"{ns}/pods/p", {"metadata": {"labels": {"a": "1"}}}, merge)
    assert (status, obj["metadata"]["labels"]) == (200, {"a": "1"})
    change = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    status, obj = api.json("PATCH", f"{ns}/pods/p", change, strategic)
    assert (status, obj["spec"]["containers"][0]["image"]) == (200, "other")
    operations = [{"op": "replace", "path": "/metadata/labels/a", "value": "2"}]
    status, obj = api.json("PATCH", f"{ns}/pods/p", operations, "application/json-patch+json")
    assert (status, obj["metadata"]["labels"]) == (200, {"a": "2"})
    status, obj = api.json("PATCH", f"{ns}/pods/p", change, "text/plain")
    assert (status, obj["reason"]) == (415, "UnsupportedMediaType")
    assert api.json("PATCH", f"{ns}/pods/none", change, strategic)[0] == 404


def test_apply_creates_and_owns(api: Api, ns: str):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: one\n"
    path, kind = f"{ns}/configmaps/a", "application/apply-patch+yaml"
    status, made = api.json("PATCH", f"{path}?fieldManager=me", body, kind)
    assert status == 201
    assert made["metadata"]["managedFields"][0]["operation"] == "Apply"
    assert api.json("PATCH", f"{path}?fieldManager=me", body, kind)[1] == made
    other = body.replace(b"one", b"two")
    status, answer = api.json("PATCH", f"{path}?fieldManager=you", other, kind)
    assert (status, answer["reason"]) == (409, "Conflict")
    assert answer["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    assert api.json("PATCH", f"{path}?fieldManager=you&force=true", other, kind)[0] == 200
    assert api.json("PATCH", path, body, kind)[0] == 422


def test_dry_run_stores_nothing(api: Api, ns: str):
    status, made = api.json("POST", f"{ns}/configmaps?dryRun=All", config_map("a"))
    assert (status, made["metadata"]["name"]) == (201, "a")
    assert api.json("GET", f"{ns}/configmaps/a")[0] == 404
    api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))
    assert api.json("PUT", f"{ns}/configmaps/a?dryRun=All", config_map("a", x="2"))[1]["data"] == {"x": "2"}
    assert api.json("DELETE", f"{ns}/configmaps/a", {"dryRun": ["All"]})[0] == 200
    assert api.json("GET", f"{ns}/configmaps/a")[1]["data"] == {"x": "1"}
    assert api.json("POST", f"{ns}/configmaps?dryRun=Some", config_map("b"))[0] == 422


def test_field_validation(api: Api, ns: str):
    wrong = {**config_map("a"), "extra": 1}
    status, headers, _ = api.raw(
        "POST", f"{ns}/configmaps", json.dumps(wrong).encode(), Content_Type="application/json"
    )
    assert status == 201
    assert headers["Warning"] == '299 - "unknown field \\"extra\\""'
    double = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{},"extra":1,"data":{}}'
    status, answer = api.json("POST", f"{ns}/configmaps?fieldValidation=Strict", double)
    assert status == 400
    assert 'strict decoding error: unknown field "extra", duplicate field "data"' in answer["message"]


def test_list_pages_are_consistent(api: Api, ns: str):
    for index in range(10):
        api.json("POST", f"{ns}/configmaps", config_map(f"c{index}"))
    _, page = api.json("GET", f"{ns}/configmaps?limit=4")
    assert (names(page), page["metadata"]["remainingItemCount"]) == (["c0", "c1", "c2", "c3"], 6)
    version, token = page["metadata"]["resourceVersion"], page["metadata"]["continue"]
    api.json("DELETE", f"{ns}/configmaps/c5")
    _, page = api.json("GET", f"{ns}/configmaps?limit=4&continue={token}")
    assert names(page) == ["c4", "c5", "c6", "c7"]
    assert page["metadata"]["resourceVersion"] == version
    _, page = api.json("GET", f"{ns}/configmaps?limit=4&continue={page['metadata']['continue']}")
    assert names(page) == ["c8", "c9"]
    assert "continue" not in page["metadata"]
    assert "remainingItemCount" not in page["metadata"]
    assert api.json("GET", f"{ns}/configmaps?continue=nonsense")[0] == 400
    _, exact = api.json("GET", f"{ns}/configmaps?resourceVersion={version}&resourceVersionMatch=Exact")
    assert len(exact["items"]) == 10


def test_selectors(api: Api, ns: str):
    for index in range(4):
        api.json("POST", f"{ns}/pods", pod(f"p{index}", half=str(index % 2), number=str(index)))
    assert names(api.json("GET", f"{ns}/pods?labelSelector=half%3D1")[1]) == ["p1", "p3"]
    assert names(api.json("GET", f"{ns}/pods?labelSelector=half%3D1,number%20notin%20(3)")[1]) == ["p1"]
    assert names(api.json("GET", f"{ns}/pods?fieldSelector=metadata.name%3Dp2")[1]) == ["p2"]
    assert names(api.json("GET", f"{ns}/pods?fieldSelector=status.phase!%3DPending")[1]) == []
    assert api.json("GET", f"{ns}/pods?labelSelector=!!!")[0] == 400
    status, answer = api.json("GET", f"{ns}/pods?fieldSelector=spec.nonsense%3Dx")
    assert (status, answer["message"]) == (400, "field label not supported: spec.nonsense")


def test_delete_collection_by_selector(api: Api, ns: str):
    for index in range(4):
        api.json(
            "POST",
            f"{ns}/configmaps",
            {**config_map(f"c{index}"), "metadata": {"name": f"c{index}", "labels": {"h": str(index % 2)}}},
        )
    status, answer = api.json("DELETE", f"{ns}/configmaps?labelSelector=h%3D1")
    assert (status, names(answer)) == (200, ["c1", "c3"])
    assert names(api.json("GET", f"{ns}/configmaps")[1]) == ["c0", "c2"]


def test_graceful_deletion_and_finalizers(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("p"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "node"}}
    assert api.json("POST", f"{ns}/pods/p/binding", binding)[0] == 201
    assert api.json("POST", f"{ns}/pods/p/binding", binding)[0] == 409
    status, dying = api.json("DELETE", f"{ns}/pods/p")
    assert (status, dying["metadata"]["deletionGracePeriodSeconds"], dying["metadata"]["generation"]) == (200, 30, 2)
    assert api.json("DELETE", f"{ns}/pods/p?gracePeriodSeconds=0")[0] == 200
    assert api.json("GET", f"{ns}/pods/p")[0] == 404
    held = config_map("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    api.json("POST", f"{ns}/configmaps", held)
    assert api.json("DELETE", f"{ns}/configmaps/a")[1]["metadata"]["deletionTimestamp"]
    merge = "application/merge-patch+json"
    assert api.json("PATCH", f"{ns}/configmaps/a", {"metadata": {"finalizers": None}}, merge)[0] == 200
    assert api.json("GET", f"{ns}/configmaps/a")[0] == 404


@pytest.mark.parametrize(
    ("path", "kind", "warns"),
    [
        ("/api/v1/namespaces/{}/replicationcontrollers", "ReplicationController", False),
        ("/apis/batch/v1/namespaces/{}/jobs", "Job", True),
    ],
)
def test_the_oldest_workloads_leave_their_pods_where_nothing_is_said_of_them(api: Api, ns: str, path, kind, warns):
    path = path.format(ns.rsplit("/", 1)[1])
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
    for name, policy in (("left", {}), ("held", {}), ("taken", {"propagationPolicy": "Background"})):
        meta = {"name": name, "finalizers": ["foregroundDeletion"] if name == "held" else []}
        made = api.json("POST", path, {"kind": kind, "metadata": meta, "spec": {"template": template}})
        assert made[0] == 201, made
        _, headers, body = api.raw("DELETE", f"{path}/{name}", json.dumps(policy).encode())
        found = json.loads(body)["metadata"].get("finalizers")
        assert found == {"left": ["orphan"], "held": ["foregroundDeletion"], "taken": None}[name]
        told = headers.get("Warning") or ""
        assert ("child pods are preserved by default when jobs are deleted" in told) is (warns and not policy)


def test_propagation_policies_become_finalizers(api: Api, ns: str):
    for policy, finalizer in (("Orphan", "orphan"), ("Foreground", "foregroundDeletion")):
        api.json("POST", f"{ns}/configmaps", config_map(policy.lower()))
        _, obj = api.json("DELETE", f"{ns}/configmaps/{policy.lower()}", {"propagationPolicy": policy})
        assert obj["metadata"]["finalizers"] == [finalizer]
    status, answer = api.json("DELETE", f"{ns}/configmaps/orphan", {"preconditions": {"uid": "other"}})
    assert (status, answer["reason"]) == (409, "Conflict")


def test_status_is_apart(api: Api, ns: str):
    path = ns.replace("/api/v1", "/apis/apps/v1") + "/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": spec,
        "status": {"replicas": 9},
    }
    _, made = api.json("POST", path, obj)
    assert made["metadata"]["generation"] == 1
    assert not (made.get("status") or {}).get("replicas")
    made["spec"]["replicas"] = 4
    made["status"] = {"replicas": 2, "observedGeneration": 1}
    _, after = api.json("PUT", f"{path}/d/status", made)
    assert (after["spec"]["replicas"], after["status"]["replicas"], after["metadata"]["generation"]) == (3, 2, 1)
    made["metadata"]["resourceVersion"] = ""
    _, after = api.json("PUT", f"{path}/d", made)
    assert (after["spec"]["replicas"], after["status"]["replicas"], after["metadata"]["generation"]) == (4, 2, 2)
    _, scale = api.json("GET", f"{path}/d/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 4}, "a=b")
    _, scale = api.json("PATCH", f"{path}/d/scale", {"spec": {"replicas": 1}}, "application/merge-patch+json")
    assert scale["spec"] == {"replicas": 1}
    assert api.json("GET", f"{path}/d")[1]["metadata"]["generation"] == 3


def test_forms_of_answers(api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a", x="1"))
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    _, _, data = api.raw("GET", f"{ns}/configmaps", Accept=table)
    assert json.loads(data)["kind"] == "Table"
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    obj = json.loads(api.raw("GET", f"{ns}/configmaps", Accept=partial)[2])
    assert (obj["kind"], obj["items"][0]["kind"]) == ("PartialObjectMetadataList", "PartialObjectMetadata")
    assert b"\n  " in api.raw("GET", f"{ns}/configmaps/a?pretty=true")[2]
    assert api.raw("GET", f"{ns}/configmaps/a", Accept="application/yaml")[2].startswith(b"apiVersion: v1")
    assert api.raw("GET", f"{ns}/configmaps/a", Accept="application/vnd.kubernetes.protobuf")[0] == 406
    both = "application/vnd.kubernetes.protobuf, application/json"
    assert json.loads(api.raw("GET", f"{ns}/configmaps/a", Accept=both)[2])["data"] == {"x": "1"}


def test_the_old_version_of_transformed_answers(api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    old = "meta.k8s.io/v1beta1"

    def form(kind: str) -> str:
        return f"application/json;as={kind};v=v1beta1;g=meta.k8s.io"

    for path in (f"{ns}/configmaps", f"{ns}/configmaps/a"):
        table = json.loads(api.raw("GET", path, Accept=form("Table"))[2])
        assert (table["kind"], table["apiVersion"]) == ("Table", old)
        assert (table["rows"][0]["object"]["kind"], table["rows"][0]["object"]["apiVersion"]) == (PARTIAL, old)
    found = json.loads(api.raw("GET", f"{ns}/configmaps", Accept=form(f"{PARTIAL}List"))[2])
    assert (found["kind"], found["apiVersion"], found["items"][0]["apiVersion"]) == (f"{PARTIAL}List", old, old)
    one = json.loads(api.raw("GET", f"{ns}/configmaps/a", Accept=form(PARTIAL))[2])
    assert (one["kind"], one["apiVersion"], one["metadata"]["name"]) == (PARTIAL, old, "a")
    for kind in ("Table", PARTIAL):
        for version in ("v1beta1", "v1"):
            connection = api.connect()
            accept = form(kind).replace("v1beta1", version)
            query = "watch=1&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=1"
            connection.request("GET", f"{ns}/configmaps?{query}", headers={"Accept": accept})
            events = [json.loads(line) for line in connection.getresponse()]
            told = {(event["type"], event["object"]["kind"], event["object"]["apiVersion"]) for event in events}
            assert {("ADDED", kind, f"meta.k8s.io/{version}"), ("BOOKMARK", kind, f"meta.k8s.io/{version}")} == told
            connection.close()
    other = form("Table").replace("g=meta.k8s.io", "g=example.com")
    assert api.raw("GET", f"{ns}/configmaps", Accept=other)[0] == 406
    assert api.raw("GET", f"{ns}/configmaps", Accept=form("Table").replace("v1beta1", "v2"))[0] == 406


def test_yaml_body(api: Api, ns: str):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {when: '2020-01-01'}\n"
    assert api.json("POST", f"{ns}/configmaps", body, "application/yaml")[1]["data"] == {"when": "2020-01-01"}


def test_namespaces_end_by_finalize(api: Api):
    api.namespace("ends")
    _, obj = api.json("DELETE", "/api/v1/namespaces/ends")
    assert obj["status"]["phase"] == "Terminating"
    obj["spec"] = {}
    assert api.json("PUT", "/api/v1/namespaces/ends/finalize", obj)[0] == 200
    assert api.json("GET", "/api/v1/namespaces/ends")[0] == 404


def test_services_get_addresses_and_ports(api: Api, ns: str):
    def service(name, **spec):
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], **spec},
        }

    _, one = api.json("POST", f"{ns}/services", service("one", type="NodePort"))
    address, port = one["spec"]["clusterIP"], one["spec"]["ports"][0]["nodePort"]
    assert one["spec"]["clusterIPs"] == [address]
    assert 30000 <= port <= 32767
    status, answer = api.json("POST", f"{ns}/services", service("two", clusterIP=address))
    assert (status, answer["reason"]) == (422, "Invalid")
    assert "provided IP is already allocated" in answer["message"]
    taken = service("three", type="NodePort")
    taken["spec"]["ports"][0]["nodePort"] = port
    assert "provided port is already allocated" in api.json("POST", f"{ns}/services", taken)[1]["message"]
    _, headless = api.json("POST", f"{ns}/services", service("none", clusterIP="None"))
    assert headless["spec"]["clusterIP"] == "None"
    merge = "application/merge-patch+json"
    _, external = api.json(
        "PATCH",
        f"{ns}/services/one",
        {"spec": {"type": "ExternalName", "externalName": "x.org", "clusterIP": None, "clusterIPs": None}},
        merge,
    )
    assert "clusterIP" not in external["spec"]
    _, again = api.json("POST", f"{ns}/services", service("two", clusterIP=address))
    assert again["spec"]["clusterIP"] == address


def test_events_are_one_store_in_two_groups(api: Api, ns: str):
    space = ns.rpartition("/")[2]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": space},
        "reason": "Because",
        "message": "text",
        "type": "Normal",
    }
    assert api.json("POST", f"{ns}/events", event)[0] == 201
    other = ns.replace("/api/v1", "/apis/events.k8s.io/v1")
    _, seen = api.json("GET", f"{other}/events/e")
    assert (seen["note"], seen["regarding"]["name"], seen["apiVersion"]) == ("text", "p", "events.k8s.io/v1")
    assert names(api.json("GET", f"{ns}/events?fieldSelector=involvedObject.name%3Dp")[1]) == ["e"]


def test_eviction_asks_the_budget(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("p", app="a"))
    merge = "application/merge-patch+json"
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    api.json("PATCH", f"{ns}/pods/p/status", {"status": ready}, merge)
    budgets = ns.replace("/api/v1", "/apis/policy/v1") + "/poddisruptionbudgets"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    api.json(
        "POST",
        budgets,
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec},
    )
    status = {
        "disruptionsAllowed": 0,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "expectedPods": 1,
        "observedGeneration": 1,
    }
    api.json("PATCH", f"{budgets}/b/status", {"status": status}, merge)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    code, answer = api.json("POST", f"{ns}/pods/p/eviction", eviction)
    assert (code, answer["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
    api.json("PATCH", f"{budgets}/b/status", {"status": {"disruptionsAllowed": 1}}, merge)
    assert api.json("POST", f"{ns}/pods/p/eviction", eviction)[0] == 201
    assert api.json("GET", f"{budgets}/b")[1]["status"]["disruptionsAllowed"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "code"),
    [
        ("POST", "/configmaps", b"{", "application/json", 400),
        ("POST", "/configmaps", b"", "application/json", 400),
        ("POST", "/configmaps", b"[]", "application/json", 400),
        ("POST", "/configmaps", b"\xff\xfe", "application/json", 400),
        ("POST", "/configmaps", b"[" * 100000, "application/json", 400),
        ("POST", "/configmaps", b'{"a":' * 3000 + b"1" + b"}" * 3000, "application/json", 400),
        ("POST", "/configmaps", b'{"apiVersion":"v1","kind":"Pod"}', "application/json", 400),
        ("POST", "/configmaps", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":[]}', "application/json", 400),
        (
            "POST",
            "/configmaps",
            b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":5}}',
            "application/json",
            400,
        ),
        ("POST", "/configmaps", b"{}", "application/json", 422),
        ("POST", "/configmaps", b"k8s\0", "application/vnd.kubernetes.protobuf", 400),
        ("POST", "/configmaps", b"k8s\0\xff\xff\xff", "application/vnd.kubernetes.protobuf", 400),
        ("POST", "/configmaps", b"x", "text/plain", 415),
        ("POST", "/configmaps", b"&a [*a]", "application/yaml", 400),
        ("POST", "/configmaps", b" " * (3 * 1024 * 1024 + 1), "application/json", 413),
        ("PATCH", "/configmaps/x", b"{", "application/merge-patch+json", 400),
        ("PATCH", "/configmaps/x", b"{}", "application/json-patch+json", 400),
        ("POST", "/configmaps/x", b"{}", "application/json", 405),
        ("GET", "/nothings", None, "", 404),
        ("GET", "/configmaps/x/y", None, "", 404),
        ("GET", "/configmaps?limit=x", None, "", 400),
        ("GET", "/configmaps?resourceVersion=x", None, "", 400),
        ("GET", "/configmaps?resourceVersionMatch=Exact", None, "", 422),
        ("TRACE", "/configmaps", None, "", 405),
    ],
)
def test_bad_input_gets_a_status(api: Api, ns: str, method, path, body, kind, code):
    headers = {"Content_Type": kind} if kind else {}
    status, _, data = api.raw(method, ns + path, body, **headers)
    assert status == code, data
    answer = json.loads(data)
    assert (answer["kind"], answer["code"]) == ("Status", code)


def test_health_and_version(api: Api):
    assert api.raw("GET", "/livez")[2] == b"ok"
    assert b"[+]ping ok" in api.raw("GET", "/readyz?verbose")[2]
    assert api.json("GET", "/version")[1]["minor"] == "36"
    assert b"apiserver_request_total" in api.raw("GET", "/metrics")[2]
    assert api.raw("GET", "/healthz/none")[0] == 404


def test_strangers_get_nothing(pair):
    anonymous = Api(pair, "")
    status, answer = anonymous.json("GET", "/api/v1/namespaces")
    assert (status, answer["reason"]) == (403, "Forbidden")
    status, answer = 0, None
    status, _, data = anonymous.raw("GET", "/api/v1/namespaces", Authorization="Bearer nonsense")
    assert (status, json.loads(data)["reason"]) == (401, "Unauthorized")
    assert anonymous.raw("GET", "/livez")[0] == 200


def test_large_bodies_and_long_queries(api: Api, ns: str):
    """Up to the limits (3 MiB a body, 1.5 MiB an object) size alone is no reason to refuse."""
    assert api.json("POST", f"{ns}/configmaps", config_map("big", x="a" * 1_000_000))[0] == 201
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("bigger", x="a" * 2_000_000))
    assert (status, answer["reason"]) in ((422, "Invalid"), (413, "RequestEntityTooLarge"))
    selector = ",".join(f"key-{index}%21%3Dvalue" for index in range(2000))
    assert api.json("GET", f"{ns}/configmaps?labelSelector={selector}")[0] == 200


def test_ephemeral_containers_only_grow(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("p"))
    strategic, path = "application/strategic-merge-patch+json", f"{ns}/pods/p/ephemeralcontainers"
    added = {"spec": {"ephemeralContainers": [{"name": "e", "image": "busybox"}]}}
    status, obj = api.json("PATCH", path, added, strategic)
    assert status == 200, obj
    assert obj["metadata"]["generation"] == 2
    obj["spec"]["ephemeralContainers"][0]["image"] = "other"
    assert api.json("PUT", path, obj)[0] == 422
    obj["spec"].pop("ephemeralContainers")
    assert api.json("PUT", path, obj)[0] == 422
    resources = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "10m"}}}]}}
    status, obj = api.json("PATCH", f"{ns}/pods/p/resize", resources, strategic)
    assert status in (200, 422), obj


def test_watch_as_table(api: Api, ns: str):
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    connection = api.connect()
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    connection.request("GET", f"{ns}/configmaps?watch=1&resourceVersion=0", headers={"Accept": table})
    event = json.loads(connection.getresponse().readline())
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")
    assert event["object"]["rows"][0]["cells"][0] == "a"
    connection.close()


def test_doubled_yaml_keys_are_told_with_their_line(api: Api, ns: str):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: one\n  x: two\n"
    told = 'line 7: key "x" already set in map'
    query = "fieldManager=me&fieldValidation=Strict"
    status, answer = api.json("PATCH", f"{ns}/configmaps/a?{query}", body, "application/apply-patch+yaml")
    assert (status, told in answer["message"]) == (400, True)
    status, answer = api.json("POST", f"{ns}/configmaps?fieldValidation=Strict", body, "application/yaml")
    assert (status, told in answer["message"]) == (400, True)
    flow = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}"
    assert api.json("POST", f"{ns}/configmaps?fieldValidation=Strict", flow, "application/yaml")[0] == 201


def test_a_patch_that_breaks_the_kind_is_invalid(api: Api, ns: str):
    api.json("POST", f"{ns}/pods", pod("p"))
    wrong = {"spec": {"nothing": 1}}
    status, answer = api.json("PATCH", f"{ns}/pods/p?fieldValidation=Strict", wrong, "application/merge-patch+json")
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "patch")
    assert 'strict decoding error: unknown field "spec.nothing"' in answer["message"]


def test_component_statuses(api: Api):
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert json.loads(api.raw("GET", "/api/v1/componentstatuses", Accept=table)[2])["kind"] == "Table"
    assert api.json("GET", "/api/v1/componentstatuses/etcd-0")[1]["kind"] == "ComponentStatus"


def test_a_put_that_creates_needs_the_right_to_create(api: Api, ns: str, pair):
    rbac = ns.replace("/api/v1", "/apis/rbac.authorization.k8s.io/v1")
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update", "get"]}
    api.json("POST", f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "someone"}
    api.json("POST", f"{rbac}/rolebindings", {"metadata": {"name": "r"}, "roleRef": reference, "subjects": [subject]})
    path = ns.replace("/api/v1", "/apis/coordination.k8s.io/v1") + "/leases"
    body = json.dumps({"metadata": {"name": "l"}, "spec": {}}).encode()
    headers = {"Content_Type": "application/json", "Impersonate_User": "someone"}
    assert api.raw("PUT", f"{path}/l", body, **headers)[0] == 403
    status, made = api.json("PUT", f"{path}/l", body)
    assert status == 201
    assert api.raw("PUT", f"{path}/l", json.dumps(made).encode(), **headers)[0] == 200


def test_concurrent_patches_all_count(api: Api, ns: str):
    """A patch without a version never conflicts; one with it conflicts for all but one (upstream's GuaranteedUpdate)."""
    _, made = api.json("POST", f"{ns}/configmaps", config_map("a"))
    merge = "application/merge-patch+json"

    def patch(index: int) -> int:
        return api.json("PATCH", f"{ns}/configmaps/a", {"data": {f"k{index}": "x"}}, merge)[0]

    def locked(_: int) -> int:
        version = {"resourceVersion": made["metadata"]["resourceVersion"]}
        return api.json("PATCH", f"{ns}/configmaps/a", {"metadata": version, "data": {"a": "b"}}, merge)[0]

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(patch, range(40))) == {200}
        assert set(pool.map(locked, range(5))) == {409}
    assert len(api.json("GET", f"{ns}/configmaps/a")[1]["data"]) == 40


def test_concurrent_creates_of_services_share_nothing(api: Api, ns: str):
    def make(index: int):
        spec = {"type": "NodePort", "ports": [{"port": 80}]}
        return api.json("POST", f"{ns}/services", {"metadata": {"name": f"s{index}"}, "spec": spec})[1]["spec"]

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(make, range(20)))
    assert len({spec["clusterIP"] for spec in made}) == 20
    assert len({spec["ports"][0]["nodePort"] for spec in made}) == 20
