import pytest

from apiserver.admission.policy_types import warnings


def policy(group, plural, *expressions, versions=("v1",)):
    rule = {"apiGroups": [group], "apiVersions": list(versions), "resources": [plural]}
    validations = [{"expression": expression} for expression in expressions]
    return {
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": validations},
    }


SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
CRD = {
    "metadata": {"name": "eggs.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "eggs", "kind": "Egg", "singular": "egg", "listKind": "EggList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}
CRD["status"] = {"acceptedNames": CRD["spec"]["names"]}


def found(checked):
    return [one["warning"] for one in warnings(checked, {"eggs.example.com": CRD}.get)]


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.containers.all(c, c.image.startsWith('x'))",
        "oldObject == null || object.metadata.name == oldObject.metadata.name",
        "object.spec.containers[0].resources.limits['cpu'] == '1'",
        "has(object.spec.securityContext) && variables.anything && params.x.y == 1",
        "authorizer.requestResource.check('get').allowed() && request.namespace == namespaceObject.metadata.name",
        "object.spec.containers[0].ports[0].containerPort == 80",
        "object.spec.containers[0].livenessProbe.httpGet.port == 80",
    ],
)
def test_what_fits_a_built_in_kind_is_not_told(expression):
    assert found(policy("", "pods", expression)) == []


def test_what_does_not_fit_is_told_for_each_kind():
    (told,) = found(policy("", "pods", "object.spec.container.size() > 0"))
    assert told.startswith("v1, Kind=Pod: ERROR: <input>:1:")
    assert "undefined field 'container'" in told
    assert "no matching overload" in found(policy("", "pods", "object.spec.hostNetwork == 'x'"))[0]


def test_custom_kinds_have_their_schema_and_whole_metadata():
    assert found(policy("example.com", "eggs", "object.spec.size > 1 && object.metadata.labels['a'] == 'b'")) == []
    assert "undefined field 'weight'" in found(policy("example.com", "eggs", "object.spec.weight > 1"))[0]
    assert found(policy("example.com", "eggs", "object.spec.weight > 1", versions=("v2",))) == []


@pytest.mark.parametrize(("group", "plural"), [("*", "pods"), ("", "*"), ("", "pods/status"), ("example.org", "none")])
def test_kinds_that_are_not_named_are_not_checked(group, plural):
    assert found(policy(group, plural, "object.nothing")) == []
