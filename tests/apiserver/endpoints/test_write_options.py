"""What writes refuse: names, times and owners that a client has made up, and options that mean nothing."""

from __future__ import annotations

from typing import Any

import pytest

from apimachinery.resources import lookup
from tests.apiserver.conftest import Api, config_map

pytestmark = pytest.mark.live
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


def _options(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **fields}


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        (
            _options(propagationPolicy="Foo"),
            "propagationPolicy",
            'Unsupported value: "Foo": supported values: "Foreground", "Background", "Orphan", "nil"',
        ),
        (
            _options(propagationPolicy="Orphan", orphanDependents=True),
            "propagationPolicy",
            'Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
        ),
        (_options(dryRun=["Foo"]), "dryRun", 'Unsupported value: ["Foo"]: supported values: "All"'),
    ],
)
def test_delete_options_that_make_no_sense_are_invalid(
    api: Api, ns: str, options: dict[str, Any], field: str, message: str
) -> None:
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    status, refused = api.json("DELETE", f"{ns}/configmaps/a", options)
    assert (status, refused["reason"]) == (422, "Invalid")
    assert refused["details"]["kind"] == "DeleteOptions"
    assert [(one["field"], one["message"]) for one in refused["details"]["causes"]] == [(field, message)]


def test_a_put_names_its_object(api: Api, ns: str) -> None:
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    nameless = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
    status, refused = api.json("PUT", f"{ns}/configmaps/a", nameless)
    why = "the name of the object (a based on URL) was undeterminable: name must be provided"
    assert (status, refused["message"]) == (400, why)
    status, refused = api.json("PUT", f"{ns}/configmaps/a", config_map("b"))
    assert (status, refused["message"]) == (400, "the name of the object (b) does not match the name on the URL (a)")


@pytest.mark.parametrize("field", ["creationTimestamp", "deletionTimestamp"])
def test_times_of_birth_and_death_are_the_servers(api: Api, ns: str, field: str) -> None:
    made = api.json("POST", f"{ns}/configmaps", config_map("a"))[1]
    status, refused = api.json("PATCH", f"{ns}/configmaps/a", {"metadata": {field: "2001-01-01T00:00:00Z"}}, MERGE)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, f"metadata.{field}")
    status, kept = api.json("PATCH", f"{ns}/configmaps/a", {"metadata": {field: None}}, MERGE)
    assert (status, kept["metadata"]["creationTimestamp"]) == (200, made["metadata"]["creationTimestamp"])


def test_an_applied_configuration_tells_its_version_and_no_uid_of_something_new(api: Api, ns: str) -> None:
    path = f"{ns}/configmaps/a?fieldManager=m"
    status, refused = api.json("PATCH", path, {"kind": "ConfigMap", "data": {"x": "1"}}, APPLY)
    why = "Incorrect version specified in apply patch. Specified patch version: , expected: v1"
    assert (status, refused["message"]) == (400, why)
    body = config_map("a", x="1")
    body["metadata"]["uid"] = "made-up"
    status, refused = api.json("PATCH", path, body, APPLY)
    assert (status, refused["reason"]) == (409, "Conflict")
    assert "uid mismatch: the provided object specified uid made-up, and no existing" in refused["message"]


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ("configmaps", '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("pods", "field label not supported: x"),
    ],
)
def test_unknown_field_selectors_are_told(api: Api, ns: str, resource: str, told: str) -> None:
    status, refused = api.json("GET", f"{ns}/{resource}?fieldSelector=x%3Dy")
    assert (status, refused["message"]) == (400, told)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_a_collection_is_not_written_across_namespaces_nor_without_a_name(api: Api, ns: str, method: str) -> None:
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    paths = ["/api/v1/configmaps"] if method == "DELETE" else ["/api/v1/configmaps", f"{ns}/configmaps"]
    for path in paths:
        status, refused = api.json(method, path, config_map("a"), MERGE if method == "PATCH" else "application/json")
        assert (status, refused["reason"]) == (405, "MethodNotAllowed")
    assert api.json("GET", f"{ns}/configmaps/a")[0] == 200


def test_a_put_that_creates_forgets_the_version_of_what_was_there(api: Api, ns: str) -> None:
    path = ns.replace("/api/v1", "/apis/coordination.k8s.io/v1") + "/leases/a"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a", "resourceVersion": "7"}}
    status, made = api.json("PUT", path, lease)
    assert (status, made["metadata"]["resourceVersion"] != "7") == (201, True)


def test_finalizers_of_built_in_kinds_have_a_domain(api: Api, ns: str) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["mine"]
    status, refused = api.json("POST", f"{ns}/configmaps", body)
    told = 'Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    assert status == 422
    assert [(one["field"], one["message"]) for one in refused["details"]["causes"]] == [
        ("metadata.finalizers[0]", told)
    ]


def test_rows_of_a_table_carry_what_is_known(api: Api, ns: str) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    status, _, refused = api.raw("GET", f"{ns}/configmaps?includeObject=Foo", Accept=table)
    assert (status, b'unrecognized includeObject value: \\"Foo\\"' in refused) == (400, True)


@pytest.mark.parametrize(
    ("group", "plural", "kind", "body"),
    [
        ("coordination.k8s.io", "leases", "Lease", {}),
        ("policy", "poddisruptionbudgets", "PodDisruptionBudget", {"spec": {"minAvailable": 1}}),
        ("node.k8s.io", "runtimeclasses", "RuntimeClass", {"handler": "h"}),
        ("storage.k8s.io", "csidrivers", "CSIDriver", {"spec": {}}),
        ("storage.k8s.io", "csinodes", "CSINode", {"spec": {"drivers": []}}),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", {}),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", {}),
    ],
)
def test_some_kinds_must_tell_what_they_replace(
    api: Api, ns: str, group: str, plural: str, kind: str, body: dict[str, Any]
) -> None:
    namespace = "/namespaces/" + ns.rpartition("/")[2] if lookup(f"{plural}.{group}").namespaced else ""
    path = f"/apis/{group}/v1{namespace}/{plural}"
    obj = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "replaced"}, **body}
    status, made = api.json("POST", path, obj)
    assert status == 201
    status, refused = api.json("PUT", f"{path}/replaced", obj)
    told = ("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
    assert (status, [(one["field"], one["message"]) for one in refused["details"]["causes"]]) == (422, [told])
    assert api.json("PUT", f"{path}/replaced", made)[0] == 200
    api.json("DELETE", f"{path}/replaced")


def test_most_kinds_need_not_tell_what_they_replace(api: Api, ns: str) -> None:
    api.json("POST", f"{ns}/configmaps", config_map("a"))
    assert api.json("PUT", f"{ns}/configmaps/a", config_map("a", x="1"))[0] == 200
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "labels": {"a": "b"}}}
    status, changed = api.json("PUT", f"{ns}/serviceaccounts/default", account)
    assert (status, changed["metadata"].get("labels")) == (200, {"a": "b"})
