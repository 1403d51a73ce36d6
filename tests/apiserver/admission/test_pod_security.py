import pytest

from tests.apiserver.conftest import Api, pod

pytestmark = pytest.mark.live

PREFIX = "pod-security.kubernetes.io/"
MERGE = "application/merge-patch+json"
HOST = "host namespaces (hostNetwork=true)"


def label(api, ns, **modes):
    values = {PREFIX + key.replace("_", "-"): value for key, value in modes.items()}
    status, headers, body = api.raw("PATCH", ns, Api.encode({"metadata": {"labels": values}}), Content_Type=MERGE)
    return status, headers.get_all("Warning") or [], body.decode()


def post(api, path, obj, **headers):
    status, answer, body = api.raw("POST", path, Api.encode(obj), Content_Type="application/json", **headers)
    return status, answer.get_all("Warning") or [], body.decode()


def on_host(name, **spec):
    made = pod(name)
    made["spec"] |= {"hostNetwork": True, **spec}
    return made


def deployment(name):
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": on_host("x")["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_enforced_levels_refuse_pods_and_warn_about_workloads(api, ns):
    assert label(api, ns, enforce="baseline", enforce_version="v1.30")[0] == 200
    status, warnings, body = post(api, f"{ns}/pods", on_host("p"))
    assert (status, warnings) == (403, [])
    assert f'violates PodSecurity \\"baseline:v1.30\\": {HOST}' in body
    path = ns.replace("/api/v1", "/apis/apps/v1") + "/deployments"
    status, warnings, body = post(api, path, deployment("d"))
    assert status == 201, body
    assert warnings == [f'299 - "would violate PodSecurity \\"baseline:v1.30\\": {HOST}"']


def test_pods_that_break_a_new_level_are_told_and_may_still_be_labelled(api, ns):
    for name in ("b", "a"):
        assert post(api, f"{ns}/pods", on_host(name))[0] == 201
    assert post(api, f"{ns}/pods", on_host("c", hostPID=True))[0] == 201
    name = ns.rpartition("/")[2]
    status, warnings, _ = label(api, ns, enforce="baseline")
    assert status == 200
    assert [text[7:-1].replace('\\"', '"') for text in warnings] == [
        f'existing pods in namespace "{name}" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): host namespaces",
    ]
    assert label(api, ns, enforce="privileged")[1] == []
    assert label(api, ns, enforce="baseline")[1]
    assert api.json("PATCH", f"{ns}/pods/a", {"metadata": {"labels": {"x": "y"}}}, MERGE)[0] == 200
    more = [{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}]
    assert api.json("PATCH", f"{ns}/pods/a", more, "application/json-patch+json")[0] == 200
    image = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    status, answer = api.json("PATCH", f"{ns}/pods/a", image, "application/strategic-merge-patch+json")
    assert status == 403, answer


def test_labels_are_checked(api, ns):
    status, _, body = label(api, ns, enforce="strict")
    assert status == 422
    assert "must be one of privileged, baseline, restricted" in body
    status, _, body = label(api, ns, warn_version="1.30")
    assert status == 422
    assert 'must be \\"latest\\" or \\"v1.x\\"' in body


def test_debug_containers_are_judged(api, ns):
    assert post(api, f"{ns}/pods", pod("p"))[0] == 201
    label(api, ns, enforce="baseline")
    debug = {"name": "d", "image": "x", "securityContext": {"privileged": True}}
    status, answer = api.add_debug_container(f"{ns}/pods/p", debug)
    assert status == 403
    assert 'privileged (container "d" must not set securityContext.privileged=true)' in answer["message"]


def test_defaults_and_exemptions_come_from_the_configuration(guarded):
    api = Api(guarded)
    plain, exempt = api.namespace("plain"), api.namespace("exempt")
    status, _, body = post(api, f"{plain}/pods", on_host("p"))
    assert (status, "baseline:latest" in body) == (403, True)
    masters = {"Impersonate_User": "trusted", "Impersonate_Group": "system:masters"}
    assert post(api, f"{plain}/pods", on_host("by-user"), **masters)[0] == 201
    assert post(api, f"{exempt}/pods", on_host("p"))[0] == 201
    handler = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "exempt-class"}}
    assert post(api, "/apis/node.k8s.io/v1/runtimeclasses", handler | {"handler": "crun"})[0] == 201
    assert post(api, f"{plain}/pods", on_host("by-class", runtimeClassName="exempt-class"))[0] == 201
    status, warnings, _ = label(api, exempt, enforce="restricted")
    assert status == 200
    assert "is exempt from Pod Security, and the policy (enforce=restricted:latest) will be ignored" in warnings[0]
