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


CAUSES = [{"field": "data.a", "message": "is wrong", "reason": "FieldValueInvalid"}]
# path -> what the webhook says beside `uid`
ANSWERS = {
    "/allow": {"allowed": True, "auditAnnotations": {"who": "me"}},
    "/deny": {
        "allowed": False,
        "status": {"message": "no way", "code": 403, "reason": "Forbidden"},
        "warnings": ["be careful"],
    },
    "/causes": {
        "allowed": False,
        "status": {"message": "wrong", "code": 422, "reason": "Invalid", "details": {"causes": CAUSES}},
    },
    "/reason": {"allowed": False, "status": {"reason": "Gone", "code": 200}},
    "/silent": {"allowed": False},
    "/other-uid": {"allowed": True, "uid": "other"},
    "/mutate": {"allowed": True, **patch({"op": "add", "path": "/data/mutated", "value": "yes"})},
    "/bad-patch": {"allowed": True, **patch({"op": "remove", "path": "/data/none"})},
    "/no-patch": {"allowed": True, "patchType": "JSONPatch", "patch": "!"},
    "/other-patch": {"allowed": True, "patchType": "Merge", "patch": "e30="},
    "/patch-number": {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(b"5").decode()},
    "/patch-rows": {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(b"[5]").decode()},
    "/patch-data": {"allowed": True, **patch({"op": "add", "path": "/data", "value": 5})},
    "/patch-meta": {"allowed": True, **patch({"op": "add", "path": "/metadata", "value": "x"})},
    "/patch-kind": {"allowed": True, **patch({"op": "add", "path": "/kind", "value": "Other"})},
    "/patch-all": {"allowed": True, **patch({"op": "replace", "path": "", "value": []})},
    "/late": {"allowed": True, **patch({"op": "add", "path": "/data/late", "value": "yes"})},
}


def review(method, path, body, headers):
    request = body["request"]
    what = path.partition("?")[0]
    response = {"uid": request["uid"], "allowed": True} | ANSWERS.get(what, {})
    if what == "/slow":
        time.sleep(1.5)
    elif what == "/broken":
        return 500, {"oh": "no"}
    elif what == "/absent":
        return 200, {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
    elif what == "/count":
        seen = request["object"]["data"].get("count", "")
        response |= patch({"op": "add", "path": "/data/count", "value": seen + "x"})
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


def only_one(api, ns, hooks, path, kind="Validating", **more):
    configure(api, ns, kind, webhook(hooks, ns, path, ["configmaps"], **more))
    return f"{path.strip('/')}.{ns.rpartition('/')[2]}.example.com"


@pytest.mark.parametrize(
    ("path", "code", "reason", "told"),
    [
        ("/causes", 422, "Invalid", "denied the request: wrong"),
        ("/reason", 400, "Gone", "denied the request: Gone"),
        ("/silent", 400, "", "denied the request without explanation"),
    ],
)
def test_a_refusal_has_the_status_the_webhook_gives(api, ns, hooks, path, code, reason, told):
    name = only_one(api, ns, hooks, path)
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("a"))
    assert (status, answer["code"], answer.get("reason", "")) == (code, code, reason)
    assert answer["message"] == f'admission webhook "{name}" {told}'
    if path == "/causes":
        assert answer["details"]["causes"] == CAUSES


@pytest.mark.parametrize(
    ("kind", "path", "told"),
    [
        ("Validating", "/broken", "failed to call webhook: an error on the server"),
        ("Validating", "/absent", "received invalid webhook response: webhook response was absent"),
        ("Validating", "/other-uid", 'received invalid webhook response: expected response.uid="'),
        (
            "Validating",
            "/mutate",
            "received invalid webhook response: validating webhook may not return response.patch",
        ),
        ("Mutating", "/other-patch", 'unsupported patch type "Merge"'),
    ],
)
def test_what_is_no_answer_follows_the_failure_policy(api, ns, hooks, kind, path, told):
    name = only_one(api, ns, hooks, path, kind, failurePolicy="Fail")
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("a"))
    assert (status, answer["reason"]) == (500, "InternalError")
    assert answer["message"].startswith(f'Internal error occurred: failed calling webhook "{name}": {told}')
    configuration = f"{REGISTRATION}/{kind.lower()}webhookconfigurations/{ns.rpartition('/')[2]}"
    change = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    assert api.json("PATCH", configuration, change, "application/json-patch+json")[0] == 200
    assert api.json("POST", f"{ns}/configmaps", config_map("a"))[0] == 201
    shown = api.raw("GET", "/metrics")[2].decode()
    which = "admit" if kind == "Mutating" else "validating"
    assert f'webhook_fail_open_count{{name="{name}",type="{which}"}} 1' in shown
    assert f'error_type="calling_webhook_error",name="{name}",operation="CREATE"' in shown


@pytest.mark.parametrize(
    "path",
    [
        "/bad-patch",
        "/no-patch",
        "/patch-number",
        "/patch-rows",
        "/patch-data",
        "/patch-meta",
        "/patch-kind",
        "/patch-all",
    ],
)
def test_a_patch_that_does_not_apply_is_an_error(api, ns, hooks, path):
    only_one(api, ns, hooks, path, "Mutating", failurePolicy="Ignore")
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("a"))
    assert (status, answer["reason"]) == (500, "InternalError")
    # Told by what went wrong, not by where it was noticed.
    assert "Error:" not in answer["message"].partition("Internal error occurred: ")[2][:15]
    assert not answer["message"].endswith(("TypeError", "AttributeError", "KeyError", "ValueError")), answer


def test_deletes_show_the_object_that_goes(api, ns, hooks):
    only_one(api, ns, hooks, "/allow", operations=("DELETE",))
    for name in ("a", "b", "c"):
        assert api.json("POST", f"{ns}/configmaps", config_map(name, x=name))[0] == 201
    assert api.json("DELETE", f"{ns}/configmaps/a?gracePeriodSeconds=0")[0] == 200
    request = hooks.seen[-1][2]["request"]
    assert (request["operation"], request["name"], request["object"]) == ("DELETE", "a", None)
    assert request["oldObject"]["data"] == {"x": "a"}
    assert request["options"]["kind"] == "DeleteOptions"
    assert api.json("DELETE", f"{ns}/configmaps")[0] == 200
    assert {seen[2]["request"]["name"] for seen in hooks.seen[-2:]} == {"b", "c"}


def test_dry_run_needs_a_webhook_without_side_effects(api, ns, hooks):
    name = only_one(api, ns, hooks, "/allow", sideEffects="NoneOnDryRun")
    query = "dryRun=All&fieldManager=me&fieldValidation=Strict"
    assert api.json("POST", f"{ns}/configmaps?{query}", config_map("a"))[0] == 201
    request = hooks.seen[-1][2]["request"]
    assert request["dryRun"] is True
    assert request["options"] == {
        "kind": "CreateOptions",
        "apiVersion": "meta.k8s.io/v1",
        "dryRun": ["All"],
        "fieldManager": "me",
        "fieldValidation": "Strict",
    }
    path = f"{REGISTRATION}/validatingwebhookconfigurations/{ns.rpartition('/')[2]}"
    configuration = api.json("GET", path)[1]
    configuration["webhooks"][0] |= {"sideEffects": "Some", "admissionReviewVersions": ["v1beta1"]}
    # v1 of the configuration takes no webhook with unknown or some side effects.
    assert api.json("PUT", path, configuration)[0] == 422
    assert name.startswith("allow")


def test_webhooks_are_called_again_when_others_changed_the_object(api, ns, hooks):
    count = webhook(hooks, ns, "/count", ["configmaps"], reinvocationPolicy="IfNeeded")
    late = webhook(hooks, ns, "/late", ["configmaps"])
    configure(api, ns, "Mutating", count, late)
    assert api.json("POST", f"{ns}/configmaps", config_map("a", x="y"))[1]["data"] == {
        "x": "y",
        "count": "xx",
        "late": "yes",
    }
    # Nobody changes the object after it: it is called once.
    path = f"{REGISTRATION}/mutatingwebhookconfigurations/{ns.rpartition('/')[2]}"
    change = [{"op": "remove", "path": "/webhooks/1"}]
    assert api.json("PATCH", path, change, "application/json-patch+json")[0] == 200
    assert api.json("POST", f"{ns}/configmaps", config_map("b", x="y"))[1]["data"] == {"x": "y", "count": "x"}


def test_a_webhook_may_have_a_url(api, ns, hooks):
    hook = webhook(hooks, ns, "/deny", ["configmaps"])
    hook["clientConfig"] = {"url": f"https://{hooks.address}:{hooks.port}/deny?a=b", "caBundle": hooks.bundle}
    configure(api, ns, "Validating", hook)
    assert api.json("POST", f"{ns}/configmaps", config_map("a"))[0] == 403
    assert hooks.seen[-1][1] == "/deny?a=b&timeout=10s"


def test_match_policy_exact_is_for_the_named_version_only(api, ns, hooks):
    hook = webhook(hooks, ns, "/deny", ["horizontalpodautoscalers"], matchPolicy="Exact")
    hook["rules"][0]["apiGroups"] = ["autoscaling"]
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}, "maxReplicas": 2}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": spec}
    path = ns.replace("/api/v1", "/apis/autoscaling/v2") + "/horizontalpodautoscalers?dryRun=All"
    configure(api, ns, "Validating", hook)
    assert api.json("POST", path, body)[0] == 201
    configuration = f"{REGISTRATION}/validatingwebhookconfigurations/{ns.rpartition('/')[2]}"
    change = [{"op": "replace", "path": "/webhooks/0/matchPolicy", "value": "Equivalent"}]
    assert api.json("PATCH", configuration, change, "application/json-patch+json")[0] == 200
    assert api.json("POST", path, body)[0] == 403
    request = hooks.seen[-1][2]["request"]
    assert request["object"]["apiVersion"] == "autoscaling/v1"
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v1", "v2")


def test_failing_match_conditions_follow_the_failure_policy(api, ns, hooks):
    conditions = [{"name": "x", "expression": "object.data.missing == 'x'"}]
    only_one(api, ns, hooks, "/deny", matchConditions=conditions, failurePolicy="Fail")
    status, answer = api.json("POST", f"{ns}/configmaps", config_map("a", x="y"))
    assert (status, answer["message"]) == (
        403,
        "configmaps \"a\" is forbidden: expression 'object.data.missing == 'x'' resulted in error: "
        "no such key: missing",
    )
    # One that is false decides, whatever else fails.
    path = f"{REGISTRATION}/validatingwebhookconfigurations/{ns.rpartition('/')[2]}"
    change = [{"op": "add", "path": "/webhooks/0/matchConditions/-", "value": {"name": "y", "expression": "false"}}]
    assert api.json("PATCH", path, change, "application/json-patch+json")[0] == 200
    assert api.json("POST", f"{ns}/configmaps", config_map("a", x="y"))[0] == 201


def test_configurations_of_admission_are_exempt(api, ns, hooks):
    everything = webhook(hooks, ns, "/deny", ["*"], ["*"])
    everything["rules"][0] |= {"apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["*"]}
    del everything["namespaceSelector"]
    configure(api, ns, "Validating", everything)
    path = f"{REGISTRATION}/validatingwebhookconfigurations/{ns.rpartition('/')[2]}"
    assert api.json("DELETE", path)[0] == 200
