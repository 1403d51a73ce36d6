import pytest

from apimachinery.apis.admissionregistration.webhooks import validate

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
MATCH = {"resourceRules": [RULE], "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
VALIDATING = {"failurePolicy": "Fail", "matchConstraints": MATCH, "validations": [{"expression": "true"}]}
PATCH = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}
MUTATING = {
    "failurePolicy": "Fail",
    "matchConstraints": MATCH,
    "mutations": [PATCH],
    "reinvocationPolicy": "Never",
}
BINDING = {"policyName": "p", "validationActions": ["Deny"]}


def found(kind, spec):
    return [str(error) for error in validate({"kind": kind, "metadata": {"name": "x"}, "spec": spec})]


def test_good_ones_pass():
    assert found("ValidatingAdmissionPolicy", VALIDATING) == []
    assert found("MutatingAdmissionPolicy", MUTATING) == []
    assert found("ValidatingAdmissionPolicyBinding", BINDING) == []
    assert found("MutatingAdmissionPolicyBinding", {"policyName": "p"}) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"matchConstraints": None}, "spec.matchConstraints: Required value"),
        ({"matchConditions": [{"expression": "true"}]}, "spec.matchConditions[0].name: Required value"),
        ({"matchConditions": [{"name": str(i), "expression": "true"} for i in range(65)]}, "Too many: 65"),
        ({"variables": [{"expression": "1"}]}, "spec.variables[0].name: Required value: name is not specified"),
        ({"variables": [{"name": "a-b", "expression": "1"}]}, "name is not a valid CEL identifier"),
        ({"variables": [{"name": "a", "expression": "1"}] * 2}, 'spec.variables[1].name: Duplicate value: "a"'),
        ({"variables": [{"name": "a"}]}, "spec.variables[0].expression: Required value: expression is not specified"),
        ({"validations": []}, "validations or auditAnnotations must contain at least one item"),
        ({"validations": [{"expression": " "}]}, "expression is not specified"),
        ({"validations": [{"expression": "true", "message": " "}]}, "message must be non-empty if specified"),
        ({"validations": [{"expression": "true", "message": "a\nb"}]}, "message must not contain line breaks"),
        ({"validations": [{"expression": "1 ==\n1"}]}, "message must be specified if expression contains line breaks"),
        ({"validations": [{"expression": "true", "reason": "Because"}]}, 'Unsupported value: "Because"'),
        ({"auditAnnotations": [{"valueExpression": "'a'"}]}, "spec.auditAnnotations[0].key: Required value"),
        ({"auditAnnotations": [{"key": "a"}]}, "valueExpression is not specified"),
        (
            {"auditAnnotations": [{"key": "a b", "valueExpression": "'a'"}]},
            "spec.auditAnnotations[0].key: Invalid value",
        ),
        ({"paramKind": {"kind": "ConfigMap"}}, "spec.paramKind.apiVersion: Required value"),
    ],
)
def test_validating_policies(change, told):
    assert any(told in text for text in found("ValidatingAdmissionPolicy", VALIDATING | change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mutations": []}, "mutations must contain at least one item"),
        ({"reinvocationPolicy": None}, "spec.reinvocationPolicy: Required value"),
        ({"mutations": [{"patchType": "Merge"}]}, 'Unsupported value: "Merge"'),
        ({"mutations": [{"patchType": "JSONPatch"}]}, "spec.mutations[0].jsonPatch: Required value"),
        (
            {"mutations": [PATCH | {"patchType": "ApplyConfiguration"}]},
            "spec.mutations[0].applyConfiguration: Required",
        ),
        ({"mutations": [PATCH | {"applyConfiguration": {"expression": "x"}}]}, "must not be specified when patchType"),
    ],
)
def test_mutating_policies(change, told):
    assert any(told in text for text in found("MutatingAdmissionPolicy", MUTATING | change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"policyName": ""}, "spec.policyName: Required value"),
        ({"policyName": "A B"}, "spec.policyName: Invalid value"),
        ({"validationActions": []}, "at least one validation action is required"),
        ({"validationActions": ["Deny", "Deny"]}, 'spec.validationActions[1]: Duplicate value: "Deny"'),
        ({"validationActions": ["Deny", "Warn"]}, "must not contain both Deny and Warn"),
        ({"validationActions": ["Shout"]}, 'Unsupported value: "Shout"'),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}}, "one of name or selector must be specified"),
        ({"paramRef": {"name": "a", "selector": {}}}, "name and selector are mutually exclusive"),
        ({"paramRef": {"name": "a"}}, "spec.paramRef.parameterNotFoundAction: Required value"),
        ({"paramRef": {"name": "a", "parameterNotFoundAction": "x"}}, 'Unsupported value: "x"'),
        ({"matchResources": MATCH | {"resourceRules": [RULE | {"operations": ["READ"]}]}}, 'Unsupported value: "READ"'),
    ],
)
def test_bindings(change, told):
    assert any(told in text for text in found("ValidatingAdmissionPolicyBinding", BINDING | change))
