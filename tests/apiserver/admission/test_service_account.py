import pytest

from apiserver.admission.service_account import mirror_problem
from tests.apiserver.conftest import pod

MIRROR = {"kubernetes.io/config.mirror": "x"}
SECRET_ENV = {"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"serviceAccountName": "a"}, "a mirror pod may not reference service accounts"),
        ({"containers": [{"name": "c", "env": [SECRET_ENV]}]}, "a mirror pod may not reference secrets"),
        ({"imagePullSecrets": [{"name": "s"}]}, "a mirror pod may not reference secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}, "a mirror pod may not reference configmaps"),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            "a mirror pod may not reference persistentvolumeclaims",
        ),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
        ({"resourceClaims": [{"name": "r"}]}, "a mirror pod may not reference resourceclaims"),
        ({"volumes": [{"name": "v", "emptyDir": {}}]}, ""),
    ],
)
def test_mirror_pods_refer_to_nothing(spec, told):
    assert mirror_problem({"metadata": {"name": "p", "annotations": MIRROR}, "spec": spec}) == told


def account(api, ns, name, annotations=None, **more):
    metadata = {"name": name, "annotations": annotations or {}}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, **more}
    status, made = api.json("POST", f"{ns}/serviceaccounts", body)
    assert status == 201, made


@pytest.mark.live
def test_the_pod_decides_about_its_token_before_the_account(api, ns):
    account(api, ns, "bot", automountServiceAccountToken=False, imagePullSecrets=[{"name": "pull"}])
    quiet, loud = pod("quiet"), pod("loud")
    for body in (quiet, loud):
        body["spec"]["serviceAccountName"] = "bot"
    loud["spec"]["automountServiceAccountToken"] = True
    stored = api.json("POST", f"{ns}/pods", quiet)[1]
    assert "volumes" not in stored["spec"]
    assert stored["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    stored = api.json("POST", f"{ns}/pods", loud)[1]
    sources = stored["spec"]["volumes"][0]["projected"]["sources"]
    assert [next(iter(source)) for source in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]
    assert stored["spec"]["containers"][0]["volumeMounts"][0]["mountPath"].endswith("/serviceaccount")


@pytest.mark.live
def test_an_account_may_limit_the_secrets_of_its_pods(api, ns):
    name = ns.rpartition("/")[2]
    account(api, ns, "strict", {"kubernetes.io/enforce-mountable-secrets": "true"}, secrets=[{"name": "good"}])
    made = pod("p")
    made["spec"]["serviceAccountName"] = "strict"
    made["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "bad"}}]
    status, answer = api.json("POST", f"{ns}/pods", made)
    start = 'pods "p" is forbidden: '
    end = "service account strict does not reference that"
    assert (status, answer["message"]) == (
        403,
        f'{start}volume with secret.secretName="bad" is not allowed because {end} secret',
    )
    made["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "good"}}]
    made["spec"]["containers"][0]["env"] = [SECRET_ENV]
    assert api.json("POST", f"{ns}/pods", made)[1]["message"] == (
        f'{start}container c with envVar E referencing secret.secretName="s" is not allowed because {end} secret'
    )
    made["spec"]["containers"][0]["env"] = []
    made["spec"]["imagePullSecrets"] = [{"name": "pull"}]
    assert api.json("POST", f"{ns}/pods", made)[1]["message"] == (
        f'{start}imagePullSecrets[0].name="pull" is not allowed because {end} imagePullSecret'
    )
    del made["spec"]["imagePullSecrets"]
    assert api.json("POST", f"{ns}/pods", made)[0] == 201
    debug = {"name": "d", "image": "x", "env": [SECRET_ENV]}
    status, answer = api.add_debug_container(f"{ns}/pods/p", debug)
    assert status == 403
    assert "ephemeral container d with envVar E" in answer["message"]
    made["spec"]["serviceAccountName"] = "gone"
    assert api.json("POST", f"{ns}/pods", made)[1]["message"] == (
        f'{start}error looking up service account {name}/gone: serviceaccount "gone" not found'
    )
