import pytest

from tests.apiserver.admission.policies import CONFIG_MAPS, DEPLOYMENTS, create, deployment, only, policy, rules
from tests.apiserver.conftest import config_map

pytestmark = pytest.mark.live
__all__ = ["policy"]

KIND = "MutatingAdmissionPolicy"


def patch(expression):
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def apply(expression):
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


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


def test_a_policy_that_fails_refuses_by_its_failure_policy(api, ns, policy):
    wrong = [patch("[JSONPatch{op: 'test', path: '/data/x', value: 'y'}]")]
    common = {"matchConstraints": {"resourceRules": CONFIG_MAPS}, "mutations": wrong, "reinvocationPolicy": "Never"}
    policy(KIND, failurePolicy="Ignore", **common)
    assert api.json("POST", f"{ns}/configmaps", config_map("a", x="x"))[0] == 201
    name = policy(KIND, suffix="-2", failurePolicy="Fail", **common)
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("b", x="x"))
    assert (status, answer["reason"]) == (403, "Invalid")
    assert answer["message"].startswith(f"policy '{name}' with binding '{name}' denied request: JSON Patch: ")
    assert answer["details"]["causes"] == [{"message": answer["message"]}]


def test_policies_follow_one_another_and_are_run_again_where_they_ask_for_it(api, ns, policy):
    common = {"matchConstraints": {"resourceRules": CONFIG_MAPS}, "failurePolicy": "Fail"}
    count = "Object{data: {'seen': has(object.data.seen) ? object.data.seen + 'x' : 'x', 'late': string(has(object.data.b))}}"
    policy(KIND, reinvocationPolicy="IfNeeded", suffix="-a", mutations=[apply(count)], **common)
    policy(KIND, reinvocationPolicy="Never", suffix="-b", mutations=[apply("Object{data: {'b': 'set'}}")], **common)
    made = api.json("POST", f"{ns}/configmaps", config_map("c", own="1"))[1]
    assert made["data"] == {"own": "1", "b": "set", "seen": "xx", "late": "true"}


def test_a_change_is_made_in_the_version_the_rule_names_and_read_parameters(api, ns, policy):
    assert api.json("POST", f"{ns}/configmaps", config_map("params", target="30"))[0] == 201
    policy(
        KIND,
        {"paramRef": {"name": "params", "parameterNotFoundAction": "Deny"}},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConstraints={"resourceRules": rules("autoscaling", "horizontalpodautoscalers")},
        failurePolicy="Fail",
        reinvocationPolicy="Never",
        mutations=[apply("Object{spec: Object.spec{targetCPUUtilizationPercentage: int(params.data.target)}}")],
    )
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": spec}
    path = ns.replace("/api/v1", "/apis/autoscaling/v2") + "/horizontalpodautoscalers"
    status, made = api.json("POST", path, body)
    assert status == 201, made
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 30
