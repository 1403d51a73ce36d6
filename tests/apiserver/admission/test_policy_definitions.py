import pytest

from apiserver.admission.policy_definitions import compile_binding, compile_policy

GOOD = {"validations": [{"expression": "true"}], "matchConstraints": {"resourceRules": [{"resources": ["pods"]}]}}


@pytest.mark.parametrize(
    "spec",
    [
        {"variables": [{"expression": "1"}]},
        {"variables": [5]},
        {"validations": [{"message": "x"}]},
        {"validations": [{"expression": "object."}]},
        {"auditAnnotations": [{"key": "a"}]},
        {"mutations": [{}]},
        {"matchConstraints": {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}},
    ],
)
def test_what_was_stored_broken_is_kept_with_its_error(spec):
    assert compile_policy({"metadata": {"name": "p"}, "spec": GOOD | spec}).error


def test_a_broken_binding_is_for_nothing():
    assert not compile_policy({"metadata": {"name": "p"}, "spec": GOOD}).error
    match = {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}
    bound = compile_binding({"metadata": {"name": "b"}, "spec": {"policyName": "p", "matchResources": match}})
    assert bound.matcher.rules == ()
