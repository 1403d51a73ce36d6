import base64
import json
import time

import pytest

from tests.apiserver.conftest import config_map, pod
from tests.apiserver.extension_server import ExtensionServer

pytestmark = pytest.mark.live

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"


def patch(*operations):
    return {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


def review(method, path, body, headers):
    request = body["request"]
    response = {"uid": request["uid"], "allowed": True}
    what = path.partition("?")[0]
    if what == "/deny":
        status = {"message": "no way", "code": 403, "reason": "Forbidden"}
        response |= {"allowed": False, "status": status, "warnings": ["be careful"]}
    elif what == "/slow":
        time.sleep(1.5)
    elif what == "/mutate":
        response |= patch({"op": "add", "path": "/data/mutated", "value": "yes"})
    elif what == "/sidecar" and len(request["object"]["spec"]["containers"]) == 1:
        response |= patch({"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "x"}})
    return 200, {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}


@pytest.fixture(scope="module")
def hooks(api, tmp_path_factory):
    server = ExtensionServer(tmp_path_factory.mktemp("hooks"), "hooks", review)
    server.publish(api)
    yield server
    server.close()


def webhook(hooks, ns, path, resources, operations=("CREATE",), **more):
    namespace = ns.rpartition("/")[2]
    rule = {"operations": list(operations), "apiGroups": [""], "apiVersions": ["v1"], "resources": list(resources)}
    return {
        "name": f"{path.strip('/')}.{namespace}.example.com",
        "clientConfig": {
            "caBundle": hooks.bundle,
            "service": {"namespace": "default", "name": "hooks", "path": path, "port": 443},
        },
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **more,
    }


def configure(api, ns, kind, *webhooks):
    name = ns.rpartition("/")[2]
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": list(webhooks),
    }
    status, made = api.json("POST", f"{REGISTRATION}/{kind.lower()}webhookconfigurations", body)
    assert status == 201, made


def test_a_validating_webhook_refuses_with_its_words(api, ns, hooks):
    conditions = [{"name": "skip", "expression": "!object.metadata.name.startsWith('skip')"}]
    configure(api, ns, "Validating", webhook(hooks, ns, "/deny", ["configmaps"], matchConditions=conditions))
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("a"))
    name = ns.rpartition("/")[2]
    assert (status, answer["reason"], answer["message"]) == (
        403,
        "Forbidden",
        f'admission webhook "deny.{name}.example.com" denied the request: no way',
    )
    assert api.json("POST", f"{ns}/configmaps", config_map("skip-me"))[0] == 201
    request = next(body for _, path, body, *_ in hooks.seen if path.startswith("/deny"))["request"]
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert request["operation"] == "CREATE"
    assert request["object"]["metadata"]["name"] == "a"
    assert request["oldObject"] is None
    assert request["options"]["kind"] == "CreateOptions"
    assert request["userInfo"]["username"]


def test_timeouts_and_failure_policy(api, ns, hooks):
    slow = webhook(hooks, ns, "/slow", ["secrets"], timeoutSeconds=1)
    slow["failurePolicy"] = "Fail"
    ignored = webhook(hooks, ns, "/slow", ["configmaps"], timeoutSeconds=1, failurePolicy="Ignore")
    ignored["name"] = "ignored.example.com"
    untrusted = webhook(hooks, ns, "/deny", ["limitranges"])
    untrusted["name"] = "untrusted.example.com"
    del untrusted["clientConfig"]["caBundle"]
    configure(api, ns, "Validating", slow, ignored, untrusted)
    status, answer = api.json(
        "POST", f"{ns}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    )
    assert status == 500
    assert answer["message"].startswith('Internal error occurred: failed calling webhook "slow.')
    assert "/slow?timeout=1s" in answer["message"]
    assert "context deadline exceeded" in answer["message"]
    assert api.json("POST", f"{ns}/configmaps", config_map("a"))[0] == 201
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": []}}
    status, answer = api.json("POST", f"{ns}/limitranges", limits)
    assert (status, answer["reason"]) == (500, "InternalError")
    assert "x509" in answer["message"]


def test_mutations_are_defaulted_and_seen_by_all_plugins(api, ns, hooks):
    configure(
        api,
        ns,
        "Mutating",
        webhook(hooks, ns, "/mutate", ["configmaps"], objectSelector={"matchLabels": {"m": "1"}}),
        webhook(hooks, ns, "/sidecar", ["pods"]),
    )
    wanted = config_map("a", x="y")
    wanted["metadata"]["labels"] = {"m": "1"}
    assert api.json("POST", f"{ns}/configmaps", wanted)[1]["data"] == {"x": "y", "mutated": "yes"}
    assert api.json("POST", f"{ns}/configmaps", config_map("b", x="y"))[1]["data"] == {"x": "y"}
    containers = api.json("POST", f"{ns}/pods", pod("p"))[1]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["c", "side"]
    assert containers[1]["terminationMessagePolicy"] == "File"
    assert containers[1]["volumeMounts"][0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


def test_bad_match_conditions_are_refused(api, ns, hooks):
    bad = webhook(hooks, ns, "/deny", ["configmaps"], matchConditions=[{"name": "x", "expression": "object.x ="}])
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "bad"},
        "webhooks": [bad],
    }
    status, answer = api.json("POST", f"{REGISTRATION}/validatingwebhookconfigurations", body)
    assert status == 422
    assert "webhooks[0].matchConditions[0].expression" in answer["message"]
    assert "compilation failed" in answer["message"]


def test_a_rule_for_another_version_gets_the_object_in_that_version(api, ns, hooks):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": schema},
        {"name": "v2", "served": True, "storage": False, "schema": schema},
    ]
    names = {"plural": "eqs", "singular": "eq", "kind": "Eq"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "eqs.hooks.example.com"},
        "spec": {"group": "hooks.example.com", "scope": "Namespaced", "names": names, "versions": versions},
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert api.json("POST", path, definition)[0] == 201
    custom = ns.replace("/api/v1", "/apis/hooks.example.com/v2") + "/eqs"
    end = time.monotonic() + 5
    while api.json("GET", custom)[0] != 200:
        assert time.monotonic() < end
    hook = webhook(hooks, ns, "/mutate", ["eqs"])
    hook["rules"][0] |= {"apiGroups": ["hooks.example.com"], "apiVersions": ["v1"]}
    configure(api, ns, "Mutating", hook)
    obj = {"apiVersion": "hooks.example.com/v2", "kind": "Eq", "metadata": {"name": "x"}, "data": {"a": "b"}}
    status, made = api.json("POST", custom, obj)
    assert status == 201, made
    assert (made["apiVersion"], made["data"]) == ("hooks.example.com/v2", {"a": "b", "mutated": "yes"})
    request = hooks.seen[-1][2]["request"]
    assert request["object"]["apiVersion"] == "hooks.example.com/v1"
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v1", "v2")
    api.json("DELETE", f"{path}/eqs.hooks.example.com")


def test_connecting_to_a_pod_can_be_denied(api, ns, hooks):
    wanted = pod("p")
    wanted["spec"]["nodeName"] = "minikube"
    assert api.json("POST", f"{ns}/pods", wanted)[0] == 201
    configure(api, ns, "Validating", webhook(hooks, ns, "/deny", ["pods/attach"], ["CONNECT"]))
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X_Stream_Protocol_Version": "v4.channel.k8s.io"}
    status, _, body = api.raw("POST", f"{ns}/pods/p/attach?container=c&stdout=true", None, **upgrade)
    assert (status, b"no way" in body) == (403, True), body
    request = hooks.seen[-1][2]["request"]
    assert (request["operation"], request["subResource"]) == ("CONNECT", "attach")
    assert request["kind"]["kind"] == "PodAttachOptions"
    assert request["object"]["container"] == "c"
