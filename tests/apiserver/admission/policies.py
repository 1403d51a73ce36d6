"""Makes admission policies and their bindings, for one namespace each."""

import pytest

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
}


def rules(group, *resources, operations=("CREATE", "UPDATE"), versions=("v1",)):
    row = {"apiGroups": [group], "apiVersions": list(versions), "operations": list(operations)}
    return [row | {"resources": list(resources)}]


DEPLOYMENTS = rules("apps", "deployments")
CONFIG_MAPS = rules("", "configmaps")


def create(api, kind, name, spec):
    path = f"{REGISTRATION}/{_PLURALS.get(kind, kind.lower() + 's')}"
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    status, made = api.json("POST", path, body)
    assert status == 201, made
    return f"{path}/{name}"


def deployment(name, replicas):
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def only(ns):
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.rpartition("/")[2]}}}


@pytest.fixture
def policy(api, ns):
    """Make a policy and a binding for the namespace of the test; both go with it."""
    made = []

    def make(kind, binding=None, *, suffix="", **spec):
        name = ns.rpartition("/")[2] + suffix
        if kind.startswith("Validating"):
            binding = {"validationActions": ["Deny"]} | (binding or {})
        made.append(create(api, kind, name, spec))
        bound = {"policyName": name, "matchResources": only(ns), **(binding or {})}
        made.append(create(api, f"{kind}Binding", name, bound))
        return name

    yield make
    for path in reversed(made):
        api.json("DELETE", path)
