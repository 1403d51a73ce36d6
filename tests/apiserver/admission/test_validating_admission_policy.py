import json
import time

import pytest

from apiserver.admission.validating_admission_policy import chosen_message
from tests.apiserver.admission.policies import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    REGISTRATION,
    create,
    deployment,
    only,
    policy,
    rules,
)
from tests.apiserver.conftest import Api, config_map

pytestmark = pytest.mark.live
__all__ = ["policy"]

KIND = "ValidatingAdmissionPolicy"


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


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("  told  ", "told"),
        ("", "default"),
        ("a\nb", "default"),
        ("x" * 5121, "default"),
        (None, "default"),
        (3, "default"),
    ],
)
def test_a_message_expression_gives_way_to_the_message(made, message):
    assert chosen_message(made, "default") == message


def post(api, path, obj):
    status, headers, body = api.raw("POST", path, Api.encode(obj), Content_Type="application/json")
    return status, headers.get_all("Warning") or [], json.loads(body)


def test_a_binding_may_warn_instead(api, ns, policy):
    name = policy(
        KIND,
        {"validationActions": ["Warn", "Audit"]},
        matchConstraints={"resourceRules": CONFIG_MAPS},
        validations=[{"expression": "has(object.data)", "message": "no data"}, {"expression": "object.data.x == '1'"}],
    )
    status, warnings, _ = post(
        api, f"{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    )
    assert status == 201
    start = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': "
    assert [text[7:-1] for text in warnings] == [
        f"{start}no data",
        f"{start}expression 'object.data.x == '1'' resulted in error: no such key: data",
    ]
    assert post(api, f"{ns}/configmaps", config_map("b", x="1"))[1] == []
    assert f'policy="{name}"' in api.raw("GET", "/metrics")[2].decode()


def test_parameters_are_found_by_selector_and_all_must_allow(api, ns, policy):
    selected = {"selector": {"matchLabels": {"rules": "yes"}}, "parameterNotFoundAction": "Allow"}
    policy(
        KIND,
        {"paramRef": selected},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConstraints={"resourceRules": rules("", "secrets")},
        matchConditions=[{"name": "on", "expression": "params == null || params.data.on == 'yes'"}],
        validations=[
            {"expression": "object.metadata.name != params.data.not", "messageExpression": "'not ' + params.data.not"}
        ],
    )
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    assert post(api, f"{ns}/secrets?dryRun=All", secret)[0] == 201
    for name, on in (("a", "yes"), ("b", "no")):
        params = config_map(f"params-{name}", **{"not": name, "on": on})
        params["metadata"]["labels"] = {"rules": "yes"}
        assert api.json("POST", f"{ns}/configmaps", params)[0] == 201
    assert post(api, f"{ns}/secrets", secret)[2]["message"].endswith("denied request: not a")
    secret["metadata"]["name"] = "b"
    assert post(api, f"{ns}/secrets", secret)[0] == 201


def test_namespaced_parameters_need_a_namespace(api, ns, policy):
    name = ns.rpartition("/")[2]
    policy(
        KIND,
        {
            "paramRef": {"name": "x", "parameterNotFoundAction": "Allow"},
            "matchResources": {"objectSelector": {"matchLabels": {"for": name}}},
        },
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConstraints={"resourceRules": rules("", "namespaces")},
        validations=[{"expression": "true"}],
    )
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{name}-x", "labels": {"for": name}}}
    status, _, answer = post(api, "/api/v1/namespaces", body)
    assert status == 422
    assert "failed to configure binding: cannot use namespaced paramRef in policy binding" in answer["message"]


def test_failures_follow_the_failure_policy(api, ns, policy):
    broken = [{"expression": "object.data.missing == 'x'"}]
    name = policy(KIND, failurePolicy="Ignore", matchConstraints={"resourceRules": CONFIG_MAPS}, validations=broken)
    assert post(api, f"{ns}/configmaps", config_map("a", x="1"))[0] == 201
    policy(KIND, suffix="-2", failurePolicy="Fail", matchConstraints={"resourceRules": CONFIG_MAPS}, validations=broken)
    status, _, answer = post(api, f"{ns}/configmaps", config_map("b", x="1"))
    assert (status, answer["reason"], answer["details"]["causes"]) == (
        422,
        "Invalid",
        [{"message": answer["message"].partition(": ")[2]}],
    )
    assert answer["message"].endswith(
        f"ValidatingAdmissionPolicy '{name}-2' with binding '{name}-2' denied request: expression "
        "'object.data.missing == 'x'' resulted in error: no such key: missing"
    )


def test_a_composed_variable_that_fails_is_named(api, ns, policy):
    policy(
        KIND,
        matchConstraints={"resourceRules": CONFIG_MAPS},
        variables=[{"name": "size", "expression": "int(object.data.size)"}],
        validations=[{"expression": "variables.size > 1"}],
    )
    answer = post(api, f"{ns}/configmaps", config_map("a", x="1"))[2]
    assert 'composited variable "size" fails to evaluate: no such key: size' in answer["message"]


def test_exclusions_operations_and_the_authorizer(api, ns, policy):
    excluded = [{**CONFIG_MAPS[0], "resourceNames": ["spared"]}]
    policy(
        KIND,
        matchConstraints={
            "resourceRules": rules("", "configmaps", operations=("DELETE", "CREATE")),
            "excludeResourceRules": excluded,
        },
        validations=[
            {
                "expression": "request.operation == 'CREATE' || oldObject.data.free == 'yes'",
                "message": "kept",
                "reason": "Forbidden",
            },
            {"expression": "authorizer.requestResource.check('delete').allowed()"},
            {
                "expression": "!authorizer.serviceAccount('default', 'nobody').group('').resource('pods').check('get').allowed()"
            },
        ],
    )
    for name, free in (("kept", "no"), ("free", "yes"), ("spared", "no")):
        assert post(api, f"{ns}/configmaps", config_map(name, free=free))[0] == 201
    status, answer = api.json("DELETE", f"{ns}/configmaps/kept")
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert answer["message"].endswith("denied request: kept")
    assert api.json("DELETE", f"{ns}/configmaps/free")[0] == 200


def test_an_object_is_judged_in_the_version_the_rule_names(api, ns, policy):
    policy(
        KIND,
        matchConstraints={"resourceRules": rules("autoscaling", "horizontalpodautoscalers")},
        validations=[{"expression": "object.spec.targetCPUUtilizationPercentage < 50", "message": "too busy"}],
    )
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}}
    path = ns.replace("/api/v1", "/apis/autoscaling/v2") + "/horizontalpodautoscalers"
    status, _, answer = post(api, path, body | {"spec": spec | {"metrics": [metric]}})
    assert (status, answer["message"].endswith("too busy")) == (422, True)
    metric["resource"]["target"]["averageUtilization"] = 40
    assert post(api, path, body | {"spec": spec | {"metrics": [metric]}})[0] == 201


def test_reviews_are_never_stopped(api, ns, policy):
    everything = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]
    policy(
        KIND,
        {"matchResources": None},
        matchConstraints={"resourceRules": everything, "namespaceSelector": only(ns)["namespaceSelector"]},
        matchConditions=[{"name": "me", "expression": "request.userInfo.username == 'jane'"}],
        validations=[{"expression": "false"}],
    )
    jane = {"Impersonate_User": "jane", "Content_Type": "application/json"}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    assert api.raw("POST", path, Api.encode(review), **jane)[0] == 201


def checked(api, name):
    """Return a policy's status when its generation has been seen."""
    path = f"{REGISTRATION}/validatingadmissionpolicies/{name}"
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        policy = api.json("GET", path)[1]
        found = policy.get("status") or {}
        if found.get("observedGeneration") == policy["metadata"]["generation"]:
            return found
        time.sleep(0.02)
    raise AssertionError(policy)


def test_expressions_are_checked_against_the_kinds_they_are_for(api, policy):
    good = [{"expression": "object.spec.replicas > 1 && object.metadata.labels['a'] == 'b'"}]
    name = policy(KIND, matchConstraints={"resourceRules": DEPLOYMENTS}, validations=good)
    assert checked(api, name)["typeChecking"] == {}
    wrong = [*good, {"expression": "object.spec.replicsa > 1", "messageExpression": "string(object.spec.replicas.x)"}]
    name = policy(KIND, suffix="-2", matchConstraints={"resourceRules": DEPLOYMENTS}, validations=wrong)
    found = checked(api, name)["typeChecking"]["expressionWarnings"]
    assert [one["fieldRef"] for one in found] == [
        "spec.validations[1].expression",
        "spec.validations[1].messageExpression",
    ]
    assert found[0]["warning"].startswith("apps/v1, Kind=Deployment: ERROR: <input>:1:")
    assert "undefined field 'replicsa'" in found[0]["warning"]
    # A kind that can't be told is not checked.
    anything = [{**DEPLOYMENTS[0], "resources": ["*"]}]
    name = policy(KIND, suffix="-3", matchConstraints={"resourceRules": anything}, validations=wrong)
    assert checked(api, name)["typeChecking"] == {}
