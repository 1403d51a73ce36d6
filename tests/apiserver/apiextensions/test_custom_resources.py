import json
import time

import pytest

from tests.apiserver.extension_server import ExtensionServer

pytestmark = pytest.mark.live

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def crd(plural, *versions, group="stable.example.com", scope="Namespaced", **spec):
    kind = plural.capitalize()
    names = {"plural": plural, "singular": plural[:-1], "kind": kind}
    body = {"group": group, "scope": scope, "names": names, "versions": list(versions), **spec}
    meta = {"name": f"{plural}.{group}"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": body}


def version(name="v1", *, storage=True, properties=None, **more):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties or {}}}}
    if properties is None:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def until(check, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("not in time")


def establish(api, definition):
    status, made = api.json("POST", CRDS, definition)
    assert status == 201, made
    path = f"{CRDS}/{definition['metadata']['name']}"

    def established():
        conditions = api.json("GET", path)[1].get("status", {}).get("conditions") or []
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    until(established)
    return path


def custom(kind, name, spec, version="v1", group="stable.example.com"):
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_a_custom_resource_is_served_pruned_defaulted_and_cleaned_up(api, ns):
    properties = {"size": {"type": "integer", "minimum": 1, "default": 3}, "host": {"type": "string"}}
    more = {"subresources": {"status": {}}, "selectableFields": [{"jsonPath": ".spec.host"}]}
    path = establish(api, crd("things", version(properties=properties, **more)))
    things = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/things"
    status, made = api.json("POST", things, custom("Things", "a", {"host": "h", "junk": 1}) | {"status": {"x": 1}})
    assert status == 201
    assert made["spec"] == {"host": "h", "size": 3}
    assert "status" not in made
    assert made["metadata"]["generation"] == 1
    assert len(api.json("GET", things + "?fieldSelector=spec.host%3Dh")[1]["items"]) == 1
    assert api.json("GET", things + "?fieldSelector=spec.host%3Dother")[1]["items"] == []
    status, answer = api.json("POST", things, custom("Things", "b", {"size": 0}))
    assert status == 422
    assert answer["message"] == (
        'Things.stable.example.com "b" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater '
        "than or equal to 1"
    )
    assert answer["details"]["causes"][0]["field"] == "spec.size"
    status, answer = api.json("POST", things + "?fieldValidation=Strict", custom("Things", "b", {"foo": 0}))
    assert status == 400
    assert 'strict decoding error: unknown field "spec.foo"' in answer["message"]
    merge = "application/merge-patch+json"
    _, answer = api.json("PATCH", things + "/a", {"spec": {"size": 4}}, merge)
    assert answer["metadata"]["generation"] == 2
    with api.watch(things + "?watch=1&resourceVersion=0") as watch:
        assert watch.next()[0] == "ADDED"
        assert api.json("DELETE", path)[0] == 200
        assert watch.next()[0] == "DELETED"
    until(lambda: api.json("GET", path)[0] == 404)
    assert api.json("GET", things)[0] == 404


def test_what_an_object_says_it_is(api, ns):
    path = establish(api, crd("whats", version()))
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/whats"
    status, answer = api.json("POST", base, custom("Whats", "x", {}, "v2"))
    assert (status, answer["message"]) == (
        400,
        "the API version in the data (stable.example.com/v2) does not match the expected API version "
        "(stable.example.com/v1)",
    )
    status, answer = api.json("POST", base, custom("Other", "x", {}))
    assert (status, answer["message"]) == (
        422,
        'Other.stable.example.com "x" is invalid: kind: Invalid value: "Other": must be Whats',
    )
    status, answer = api.json("POST", base, {"metadata": {"name": "x"}})
    assert (status, answer["message"][:26]) == (400, "Object 'Kind' is missing i")
    assert api.json("POST", base, custom("Whats", "x", {}))[0] == 201
    (item,) = api.json("GET", base)[1]["items"]
    assert (item["kind"], item["apiVersion"]) == ("Whats", "stable.example.com/v1")
    status, answer = api.json("PATCH", base + "/x", {}, "application/strategic-merge-patch+json")
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")
    api.json("DELETE", path)


def test_updates_tell_what_they_saw_and_scales_need_replicas(api, ns):
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    made = version(properties={"size": {"type": "integer"}}, subresources={"scale": scale})
    path = establish(api, crd("scales", made))
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/scales"
    assert api.json("POST", base, custom("Scales", "x", {}))[0] == 201
    status, answer = api.json("PUT", base + "/x", custom("Scales", "x", {"size": 1}))
    assert status == 422
    assert "metadata.resourceVersion: Invalid value: 0" in answer["message"]
    assert "must be specified for an update" in answer["message"]
    status, answer = api.json("GET", base + "/x/scale")
    assert (status, answer["message"]) == (
        500,
        'Internal error occurred: the spec replicas field ".spec.size" does not exist',
    )
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "x"}, "spec": {"replicas": 2}}
    assert api.json("PUT", base + "/x/scale", scale)[0] == 200
    assert api.json("GET", base + "/x/scale")[1]["spec"] == {"replicas": 2}
    api.json("DELETE", path)


def test_versions_share_their_objects(api, ns):
    definition = crd("pairs", version("v1", properties={"a": {"type": "string"}}), version("v2", storage=False))
    path = establish(api, definition)
    base = ns.replace("/api/v1", "/apis/stable.example.com/{}") + "/pairs"
    assert api.json("POST", base.format("v2"), custom("Pairs", "x", {"a": "b"}, "v2"))[0] == 201
    found = api.json("GET", base.format("v1") + "/x")[1]
    assert (found["apiVersion"], found["spec"]) == ("stable.example.com/v1", {"a": "b"})
    items = api.json("GET", base.format("v2"))[1]["items"]
    assert [item["spec"] for item in items] == [{"a": "b"}]
    live = api.json("GET", path)[1]
    live["spec"]["versions"][1]["served"] = False
    assert api.json("PUT", path, live)[0] == 200
    until(lambda: api.json("GET", base.format("v2"))[0] == 404)
    assert api.json("GET", base.format("v1") + "/x")[0] == 200
    api.json("DELETE", path)


def test_deprecated_versions_warn_and_stored_versions_are_kept(api, ns):
    versions = [version("v1beta1", deprecated=True), version("v1", storage=False)]
    path = establish(api, crd("olds", *versions))
    base = ns.replace("/api/v1", "/apis/stable.example.com/{}") + "/olds"

    def warnings(method, path, body=None):
        more = {"Content_Type": "application/json"} if body else {}
        status, headers, _ = api.raw(method, path, json.dumps(body).encode() if body else None, **more)
        assert status in (200, 201)
        return headers.get_all("Warning") or []

    told = ['299 - "stable.example.com/v1beta1 Olds is deprecated; use stable.example.com/v1 Olds"']
    assert warnings("GET", base.format("v1beta1")) == told
    assert warnings("POST", base.format("v1beta1"), custom("Olds", "x", {}, "v1beta1")) == told
    assert warnings("GET", base.format("v1beta1") + "?watch=1&timeoutSeconds=1") == told
    assert warnings("GET", base.format("v1")) == []
    live = api.json("GET", path)[1]
    for one in live["spec"]["versions"]:
        one["storage"] = one["name"] == "v1"
    changed = api.json("PUT", path, live)[1]
    assert changed["status"]["storedVersions"] == ["v1beta1", "v1"]
    merge = "application/merge-patch+json"
    status, answer = api.json("PATCH", path + "/status", {"status": {"storedVersions": ["v1beta1"]}}, merge)
    assert status == 422
    assert "must have the storage version v1" in answer["message"]
    assert api.json("PATCH", path + "/status", {"status": {"storedVersions": ["v1"]}}, merge)[0] == 200
    changed = api.json("GET", path)[1]
    changed["spec"]["versions"] = [one for one in changed["spec"]["versions"] if one["name"] == "v1"]
    assert api.json("PUT", path, changed)[0] == 200
    api.json("DELETE", path)


def test_who_adds_a_finalizer_without_a_domain_is_warned(api, ns):
    path = establish(api, crd("helds", version()))
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/helds"

    def warnings(method, path, body, kind="application/json"):
        status, headers, _ = api.raw(method, path, json.dumps(body).encode(), Content_Type=kind)
        return status, headers.get_all("Warning") or []

    def told(name):
        return (
            f'299 - "metadata.finalizers: \\"{name}\\": prefer a domain-qualified finalizer name including a path (/) '
            'to avoid accidental conflicts with other finalizer writers"'
        )

    body = custom("Helds", "x", {})
    body["metadata"]["finalizers"] = ["b", "a", "example.com/c", "orphan"]
    assert warnings("POST", base, body) == (201, [told("a"), told("b")])
    merge = "application/merge-patch+json"
    assert warnings("PATCH", base + "/x", {"metadata": {"labels": {"a": "b"}}}, merge) == (200, [])
    added = {"metadata": {"finalizers": ["a", "d"]}}
    assert warnings("PATCH", base + "/x", added, merge) == (200, [told("d")])
    assert warnings("PATCH", base + "/x", {"metadata": {"finalizers": None}}, merge) == (200, [])
    wrong = custom("Helds", "y", {})
    wrong["metadata"]["finalizers"] = ["a", "/"]
    assert warnings("POST", base, wrong) == (422, [])
    api.json("DELETE", path)


def test_names_that_become_free_are_accepted(api, ns):
    path = establish(api, crd("firsts", version()))
    definition = crd("seconds", version())
    definition["spec"]["names"] |= {"kind": "Firsts", "listKind": "FirstsList"}
    assert api.json("POST", CRDS, definition)[0] == 201
    other = f"{CRDS}/seconds.stable.example.com"

    def accepted():
        conditions = api.json("GET", other)[1]["status"]["conditions"]
        return {one["type"]: one["status"] for one in conditions}.get("NamesAccepted")

    until(lambda: accepted() == "False")
    assert api.json("GET", ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/seconds")[0] == 404
    api.json("DELETE", path)
    until(lambda: accepted() == "True")
    assert api.json("GET", ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/seconds")[0] == 200
    api.json("DELETE", other)


def test_cel_rules_hold_on_create_and_update(api, ns):
    definition = crd("ruled", version(properties={"n": {"type": "integer"}, "fixed": {"type": "string"}}))
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [
        {"rule": "self.n < 10", "message": "n is too big"},
        {"rule": "!has(oldSelf.fixed) || self.fixed == oldSelf.fixed", "message": "fixed is fixed"},
    ]
    path = establish(api, definition)
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/ruled"
    status, answer = api.json("POST", base, custom("Ruled", "x", {"n": 10}))
    assert (status, answer["message"]) == (
        422,
        'Ruled.stable.example.com "x" is invalid: spec: Invalid value: "object": n is too big',
    )
    assert api.json("POST", base, custom("Ruled", "x", {"n": 1, "fixed": "a"}))[0] == 201
    status, answer = api.json("PATCH", base + "/x", {"spec": {"fixed": "b"}}, "application/merge-patch+json")
    assert status == 422
    assert "fixed is fixed" in answer["message"]
    api.json("DELETE", path)


def test_rules_that_can_not_work_or_cost_too_much(api, ns):
    """What upstream's e2e suite asks of x-kubernetes-validations."""

    def refused(rule, **properties):
        definition = crd("bads", version(properties=properties))
        spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["x-kubernetes-validations"] = [{"rule": rule}]
        status, answer = api.json("POST", CRDS, definition)
        assert status == 422
        return answer["message"]

    words = {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    assert "undefined field 'missing'" in refused("self.missing == 1")
    assert "Syntax error: " in refused("self = 42")
    assert "estimated rule cost exceeds budget" in refused("self.x.all(a, a.all(b, b == 'x'))", x=words)
    numbers = {"type": "array", "maxItems": 725, "items": {"type": "integer"}}
    definition = crd("dears", version(properties={"x": numbers}))
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [{"rule": "self.x.all(a, self.x.all(b, a == b && b == 1))"}]
    path = establish(api, definition)
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/dears"
    assert api.json("POST", base, custom("Dears", "x", {"x": [1] * 9}))[0] == 201
    status, answer = api.json("POST", base, custom("Dears", "y", {"x": [1] * 725}))
    assert status == 422
    assert "call cost exceeds limit" in answer["message"]
    api.json("DELETE", path)


def test_what_a_stricter_schema_finds_in_stored_objects_does_not_block_them(api, ns):
    path = establish(api, crd("ratchets", version(properties={"n": {"type": "integer"}, "m": {"type": "integer"}})))
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/ratchets"
    assert api.json("POST", base, custom("Ratchets", "x", {"n": 1, "m": 1}))[0] == 201
    live = api.json("GET", path)[1]
    properties = live["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["n"]["minimum"] = 5
    properties["m"]["x-kubernetes-validations"] = [{"rule": "self > 5", "message": "m is small"}]
    assert api.json("PUT", path, live)[0] == 200
    until(lambda: api.json("POST", base + "?dryRun=All", custom("Ratchets", "y", {"n": 1}))[0] == 422)

    def patch(body):
        kind = "application/merge-patch+json"
        status, headers, data = api.raw("PATCH", base + "/x", json.dumps(body).encode(), Content_Type=kind)
        return status, headers.get_all("Warning") or [], data.decode()

    status, warnings, _ = patch({"metadata": {"labels": {"a": "b"}}})
    assert (status, warnings) == (200, ['299 - "spec.m: Invalid value: \\"integer\\": m is small"'])
    status, _, answer = patch({"spec": {"m": 2}})
    assert status == 422
    assert "m is small" in answer
    assert "spec.n" not in answer
    assert patch({"spec": {"n": 2}})[0] == 422
    api.json("DELETE", path)


def convert(method, path, body, headers):
    request = body["request"]
    converted = []
    for obj in request["objects"]:
        obj = dict(obj, apiVersion=request["desiredAPIVersion"])
        spec = dict(obj["spec"])
        if request["desiredAPIVersion"].endswith("/v2"):
            spec["host"], _, spec["port"] = spec.pop("hostPort").partition(":")
        else:
            spec["hostPort"] = f"{spec.pop('host')}:{spec.pop('port')}"
        converted.append({**obj, "spec": spec})
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
    return 200, {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response}


def test_conversion_by_webhook(api, ns, tmp_path):
    server = ExtensionServer(tmp_path, "converter", convert)
    server.publish(api)
    service = {"namespace": "default", "name": "converter", "path": "/convert", "port": 443}
    webhook = {
        "clientConfig": {"service": service, "caBundle": server.bundle},
        "conversionReviewVersions": ["v1"],
    }
    text = {"type": "string"}
    first = version("v1", properties={"hostPort": text}, selectableFields=[{"jsonPath": ".spec.hostPort"}])
    second = version("v2", storage=False, properties={"host": text, "port": text})
    second["selectableFields"] = [{"jsonPath": ".spec.host"}]
    definition = crd("ends", first, second, conversion={"strategy": "Webhook", "webhook": webhook})
    path = establish(api, definition)
    base = ns.replace("/api/v1", "/apis/stable.example.com/{}") + "/ends"
    assert api.json("POST", base.format("v1"), custom("Ends", "a", {"hostPort": "h1:80"}))[0] == 201
    made = api.json("POST", base.format("v2"), custom("Ends", "b", {"host": "h2", "port": "81"}, "v2"))
    assert made[0] == 201, made
    assert made[1]["spec"] == {"host": "h2", "port": "81"}
    assert [item["spec"] for item in api.json("GET", base.format("v1"))[1]["items"]] == [
        {"hostPort": "h1:80"},
        {"hostPort": "h2:81"},
    ]
    found = api.json("GET", base.format("v2") + "?fieldSelector=spec.host%3Dh2")[1]["items"]
    assert [item["metadata"]["name"] for item in found] == ["b"]
    with api.watch(base.format("v2") + "?watch=1&resourceVersion=0&fieldSelector=spec.host%3Dh1") as watch:
        kind, obj = watch.next()
        assert (kind, obj["apiVersion"], obj["spec"]["port"]) == ("ADDED", "stable.example.com/v2", "80")
        merge = "application/merge-patch+json"
        assert api.json("PATCH", base.format("v1") + "/a", {"spec": {"hostPort": "h3:80"}}, merge)[0] == 200
        assert watch.next()[0] == "DELETED"
    api.json("DELETE", path)
    server.close()


def test_conversions_that_fail_are_told(api, ns, tmp_path):
    answers = {}

    def converts(method, path, body, headers):
        status, review = convert(method, path, body, headers)
        if "change" in answers:
            answers["change"](review["response"])
        return answers.get("status", status), review

    server = ExtensionServer(tmp_path, "failing", converts)
    server.publish(api)
    service = {"namespace": "default", "name": "failing", "path": "/convert", "port": 443}
    webhook = {"clientConfig": {"service": service, "caBundle": server.bundle}, "conversionReviewVersions": ["v1"]}
    text = {"type": "string"}
    versions = [version("v1", properties={"hostPort": text}), version("v2", storage=False, properties={"host": text})]
    path = establish(api, crd("fails", *versions, conversion={"strategy": "Webhook", "webhook": webhook}))
    base = ns.replace("/api/v1", "/apis/stable.example.com/{}") + "/fails"
    assert api.json("POST", base.format("v1"), custom("Fails", "a", {"hostPort": "h1:80"}))[0] == 201

    def told():
        status, answer = api.json("GET", base.format("v2") + "/a")
        assert (status, answer["reason"]) == (500, "InternalError")
        return answer["message"]

    start = "conversion webhook for stable.example.com/v1, Kind=Fails failed: "
    answers["change"] = lambda response: response.update(result={"status": "Failed", "message": "no"})
    assert told().endswith(start + "no")
    with api.watch(base.format("v2") + "?watch=1&resourceVersion=0") as watch:
        kind, obj = watch.next()
        assert (kind, obj["kind"], obj["code"]) == ("ERROR", "Status", 500)
        with pytest.raises(EOFError):
            watch.next()
    answers["change"] = lambda response: response["convertedObjects"][0].update(kind="Other")
    assert told().endswith("returned invalid converted object: invalid kind (required: Fails, got: Other)")
    answers["change"] = lambda response: response.update(convertedObjects=["x"])
    assert told().endswith("response.convertedObjects is no list of objects")
    answers["change"] = lambda response: response.clear()
    assert start in told()
    answers["status"] = 503
    assert told().endswith("the server responded with the status code 503")
    answers.clear()
    assert api.json("GET", base.format("v2") + "/a")[1]["spec"] == {"host": "h1"}
    api.json("DELETE", path)
    server.close()


def test_a_definition_waits_for_the_finalizers_of_its_instances(api, ns):
    path = establish(api, crd("holds", version()))
    base = ns.replace("/api/v1", "/apis/stable.example.com/v1") + "/holds"
    held = custom("Holds", "x", {})
    held["metadata"]["finalizers"] = ["example.com/hold"]
    assert api.json("POST", base, held)[0] == 201
    assert api.json("DELETE", path)[0] == 200

    def terminating():
        conditions = api.json("GET", path)[1]["status"]["conditions"]
        return any(one["type"] == "Terminating" and one["status"] == "True" for one in conditions)

    until(terminating)
    assert api.json("GET", base + "/x")[1]["metadata"]["deletionTimestamp"]
    status, answer = api.json("POST", base, custom("Holds", "y", {}))
    assert (status, answer["reason"]) == (405, "MethodNotAllowed")
    api.json("PATCH", base + "/x", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    until(lambda: api.json("GET", path)[0] == 404, 8)
