"""What is wrong with a flow schema, in upstream's words."""

import pytest

from apimachinery.apis.flowcontrol.flow_schemas import validate

USER = {"kind": "User", "user": {"name": "jane"}}
RULE = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}


def schema(name="mine", **spec):
    rules = [{"subjects": [USER], "resourceRules": [RULE]}]
    base = {"matchingPrecedence": 50, "priorityLevelConfiguration": {"name": "x"}, "rules": rules}
    return {"metadata": {"name": name}, "spec": {**base, **spec}}


def rule(**more):
    return schema(rules=[{"subjects": [USER], "resourceRules": [{**RULE, **more}]}])


def subject(**fields):
    return schema(rules=[{"subjects": [fields], "resourceRules": [RULE]}])


def paths(*urls):
    rules = [{"verbs": ["get"], "nonResourceURLs": list(urls)}]
    return schema(rules=[{"subjects": [USER], "nonResourceRules": rules}])


def told(obj):
    return [f"{error.field}: {error.body()}" for error in validate(obj)]


def test_nothing_is_wrong():
    for obj in (schema(), schema("exempt", matchingPrecedence=1), paths("/healthz", "/debug/*"), paths("*")):
        assert told(obj) == []


@pytest.mark.parametrize(
    ("obj", "field", "detail"),
    [
        (schema(matchingPrecedence=-1), "spec.matchingPrecedence", "must be a positive value"),
        (schema(matchingPrecedence=10001), "spec.matchingPrecedence", "must not be greater than 10000"),
        (schema(matchingPrecedence=1), "spec.matchingPrecedence", "only the schema named 'exempt' may have"),
        (schema(distinguisherMethod={"type": "x"}), "spec.distinguisherMethod.type", "supported values"),
        (
            schema(priorityLevelConfiguration={}),
            "spec.priorityLevelConfiguration.name",
            "must reference a priority level",
        ),
        (schema(rules=[{"resourceRules": [RULE]}]), "spec.rules[0].subjects", "must contain at least one value"),
        (schema(rules=[{"subjects": [USER]}]), "spec.rules[0]", "at least one of resourceRules and nonResourceRules"),
        (subject(kind="x"), "spec.rules[0].subjects[0].kind", '"Group", "ServiceAccount", "User"'),
        (subject(kind="User"), "spec.rules[0].subjects[0].user", "user is required when subject kind is 'User'"),
        (
            subject(**USER, group={"name": "g"}),
            "spec.rules[0].subjects[0].group",
            "group is forbidden when subject kind",
        ),
        (
            subject(kind="ServiceAccount", serviceAccount={"name": "*"}),
            "spec.rules[0].subjects[0].serviceAccount.namespace",
            "must specify namespace for service account",
        ),
        (rule(verbs=[]), "spec.rules[0].resourceRules[0].verbs", "verbs must contain at least one value"),
        (rule(verbs=["*", "get"]), "spec.rules[0].resourceRules[0].verbs", "must not specify other verbs"),
        (rule(verbs=["eat"]), "spec.rules[0].resourceRules[0].verbs", "supported values"),
        (rule(apiGroups=[]), "spec.rules[0].resourceRules[0].apiGroups", "must supply at least one api group"),
        (rule(resources=["*", "a"]), "spec.rules[0].resourceRules[0].resources", "must not specify other resources"),
        (rule(namespaces=[]), "spec.rules[0].resourceRules[0].namespaces", "rules that are not cluster scoped"),
        (rule(namespaces=["A"]), "spec.rules[0].resourceRules[0].namespaces[0]", "must be '*' or a DNS-1123 label"),
        (paths("x"), "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]", "must start with slash"),
        (paths("/a*"), "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]", "wildcard can only do suffix matching"),
        (paths("/a//b"), "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]", "must not contain double slash"),
    ],
)
def test_what_is_wrong(obj, field, detail):
    (found,) = told(obj)
    assert found.startswith(f"{field}: ")
    assert detail in found


def test_a_namespace_is_not_needed_where_the_scope_is_the_cluster():
    assert told(rule(namespaces=[], clusterScope=True)) == []
