import pytest

pytestmark = pytest.mark.live

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"


def create(api, kind, name, spec):
    plural = {
        "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
        "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    }
    path = plural.get(kind, kind.lower() + "s")
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    status, made = api.json("POST", f"{REGISTRATION}/{path}", body)
    assert status == 201, made
    return f"{REGISTRATION}/{path}/{name}"


def deployment(name, replicas):
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


DEPLOYMENTS = [
    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}
]


def only(ns):
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.rpartition("/")[2]}}}


def test_a_validating_policy_denies(api, ns):
    name = ns.rpartition("/")[2]
    validations = [
        {"expression": "variables.replicas > 1", "messageExpression": "'wants ' + variables.replicas"},
        {"expression": f"namespaceObject.metadata.name == '{name}'"},
        {"expression": "variables.odd", "messageExpression": "'even: ' + string(variables.replicas)"},
        {"expression": "params.data.allowed == 'yes'", "message": "params say no", "reason": "Forbidden"},
    ]
    spec = {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": DEPLOYMENTS},
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "odd", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": validations,
    }
    reference = {"name": "params", "namespace": name, "parameterNotFoundAction": "Deny"}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": only(ns), "paramRef": reference}
    policy = create(api, "ValidatingAdmissionPolicy", name, spec)
    bound = create(api, "ValidatingAdmissionPolicyBinding", name, binding)
    path = ns.replace("/api/v1", "/apis/apps/v1") + "/deployments"
    status, answer = api.json("POST", path, deployment("d", 3))
    assert status == 422
    assert "no params found" in answer["message"]
    params = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "params"}, "data": {"allowed": "no"}}
    assert api.json("POST", f"{ns}/configmaps", params)[0] == 201
    status, answer = api.json("POST", path, deployment("d", 1))
    assert (status, answer["reason"]) == (422, "Invalid")
    start = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: "
    # A message expression that fails at run time gives way to the default message.
    assert answer["message"] == f'deployments.apps "d" is forbidden: {start}failed expression: variables.replicas > 1'
    assert api.json("POST", path, deployment("d", 2))[1]["message"].endswith(start + "even: 2")
    status, answer = api.json("POST", path, deployment("d", 3))
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert answer["message"].endswith("params say no")
    merge = "application/merge-patch+json"
    api.json("PATCH", f"{ns}/configmaps/params", {"data": {"allowed": "yes"}}, merge)
    assert api.json("POST", path, deployment("d", 3))[0] == 201
    for made in (bound, policy):
        api.json("DELETE", made)


def test_a_mutating_policy_changes(api, ns):
    name = ns.rpartition("/")[2]
    apply = "Object{spec: Object.spec{replicas: 1337}, metadata: Object.metadata{annotations: {'k': 'v'}}}"
    add = "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'name': object.metadata.name}}]"
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": DEPLOYMENTS},
        "matchConditions": [{"name": "x", "expression": "object.metadata.name.startsWith('mutate')"}],
        "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": apply}},
            {"patchType": "JSONPatch", "jsonPatch": {"expression": add}},
        ],
    }
    policy = create(api, "MutatingAdmissionPolicy", name, spec)
    bound = create(api, "MutatingAdmissionPolicyBinding", name, {"policyName": name, "matchResources": only(ns)})
    path = ns.replace("/api/v1", "/apis/apps/v1") + "/deployments"
    made = api.json("POST", path, deployment("mutate-me", 1))[1]
    assert made["spec"]["replicas"] == 1337
    assert made["metadata"]["annotations"] == {"k": "v"}
    assert made["metadata"]["labels"] == {"name": "mutate-me"}
    assert api.json("POST", path, deployment("other", 1))[1]["spec"]["replicas"] == 1
    for one in (bound, policy):
        api.json("DELETE", one)


def test_policies_that_do_not_compile_are_refused(api):
    spec = {"matchConstraints": {"resourceRules": DEPLOYMENTS}, "validations": [{"expression": "nope == 1"}]}
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "bad"},
        "spec": spec,
    }
    status, answer = api.json("POST", f"{REGISTRATION}/validatingadmissionpolicies", body)
    assert status == 422
    assert "undeclared reference to 'nope'" in answer["message"]
