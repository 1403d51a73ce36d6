import time

import pytest

from apimachinery.errors import Forbidden, NotFound
from apiserver.admission.registry import build_chain
from apiserver.authentication.user import UserInfo
from apiserver.authorization.attributes import Decision
from tests.apiserver.admission.plugins import attributes, pod
from tests.apiserver.fake_listers import Cluster


class Options:
    enable_admission_plugins = ("NodeRestriction",)


class Nobody:
    def authorize(self, attrs):
        return Decision(allowed=False)


@pytest.fixture
def cluster():
    made = Cluster()
    made.put("namespaces", {"metadata": {"name": "ns"}, "status": {"phase": "Active"}})
    made.put("serviceaccounts", {"metadata": {"name": "default", "namespace": "ns"}})
    return made


async def admit(cluster, attrs):
    chain = build_chain(Options, cluster, cluster, Nobody())
    await chain.mutate(attrs)
    await chain.validate(attrs)
    return attrs


async def test_a_plain_pod_gets_account_token_tolerations_priority(cluster):
    obj = (await admit(cluster, attributes(pod()))).object
    spec = obj["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    volume = spec["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    mount = {"name": volume["name"], "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    assert spec["containers"][0]["volumeMounts"] == [mount]
    assert volume["projected"]["sources"][0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert [t["key"] for t in spec["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    assert spec["priority"] == 0
    assert spec["preemptionPolicy"] == "PreemptLowerPriority"


async def test_automount_can_be_off(cluster):
    assert "volumes" not in (await admit(cluster, attributes(pod(automountServiceAccountToken=False)))).object["spec"]
    account = {"metadata": {"name": "bot", "namespace": "ns"}, "automountServiceAccountToken": False}
    cluster.put("serviceaccounts", account | {"imagePullSecrets": [{"name": "pull"}]})
    spec = (await admit(cluster, attributes(pod(serviceAccountName="bot")))).object["spec"]
    assert "volumes" not in spec
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    spec = (await admit(cluster, attributes(pod(serviceAccountName="bot", automountServiceAccountToken=True)))).object
    assert spec["spec"]["volumes"]


async def test_missing_account_and_namespace(cluster):
    with pytest.raises(Forbidden) as caught:
        await admit(cluster, attributes(pod(serviceAccountName="gone")))
    assert caught.value.message == (
        'pods "p" is forbidden: error looking up service account ns/gone: serviceaccount "gone" not found'
    )
    with pytest.raises(NotFound) as caught:
        await admit(cluster, attributes(pod(), namespace="nowhere"))
    assert caught.value.message == 'namespaces "nowhere" not found'


async def test_terminating_namespace_and_immortal_ones(cluster):
    cluster.put("namespaces", {"metadata": {"name": "ns"}, "status": {"phase": "Terminating"}})
    with pytest.raises(Forbidden) as caught:
        await admit(cluster, attributes(pod()))
    assert caught.value.message == (
        'pods "p" is forbidden: unable to create new content in namespace ns because it is being terminated'
    )
    assert caught.value.causes[0]["reason"] == "NamespaceTerminating"
    attrs = attributes({"metadata": {"name": "default"}}, "namespaces", "DELETE", namespace="default")
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        await admit(cluster, attrs)


async def test_limit_ranges_fill_and_bound(cluster):
    limit = {
        "type": "Container",
        "default": {"cpu": "200m"},
        "defaultRequest": {"cpu": "100m"},
        "max": {"cpu": "500m"},
        "min": {"cpu": "50m"},
    }
    cluster.put("limitranges", {"metadata": {"name": "l", "namespace": "ns"}, "spec": {"limits": [limit]}})
    obj = (await admit(cluster, attributes(pod()))).object
    assert obj["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "200m"}, "requests": {"cpu": "100m"}}
    assert obj["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    )
    greedy = {"name": "c", "resources": {"limits": {"cpu": "600m"}, "requests": {"cpu": "10m"}}}
    with pytest.raises(Forbidden) as caught:
        await admit(cluster, attributes(pod(containers=[greedy])))
    assert caught.value.message == (
        'pods "p" is forbidden: [minimum cpu usage per Container is 50m, but request is 10m, '
        "maximum cpu usage per Container is 500m, but limit is 600m]"
    )


def quota(hard, used=None, **spec):
    status = {"hard": hard, "used": used or dict.fromkeys(hard, "0")}
    meta = {"name": "q", "namespace": "ns", "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"hard": hard, **spec}, "status": status}


async def test_quota_books_and_refuses(cluster):
    cluster.put("resourcequotas", quota({"pods": "1", "requests.memory": "1Gi"}))
    needy = {"name": "c", "resources": {"requests": {"memory": "512Mi"}}}
    await admit(cluster, attributes(pod(containers=[needy])))
    booked = cluster.by_name["resourcequotas"].get("ns", "q")
    assert booked["status"]["used"] == {"pods": "1", "requests.memory": "512Mi"}
    with pytest.raises(Forbidden) as caught:
        await admit(cluster, attributes(pod(containers=[needy])))
    assert (
        caught.value.message
        == 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )
    with pytest.raises(Forbidden, match=r"failed quota: q: must specify requests.memory for: c"):
        await admit(cluster, attributes(pod()))


async def test_quota_scopes_and_counts(cluster):
    cluster.put("resourcequotas", quota({"pods": "0"}, scopes=["BestEffort"]))
    limited = {"name": "c", "resources": {"requests": {"memory": "1Mi"}}}
    await admit(cluster, attributes(pod(containers=[limited])))
    with pytest.raises(Forbidden, match="exceeded quota"):
        await admit(cluster, attributes(pod()))
    cluster.put("resourcequotas", quota({"count/deployments.apps": "0", "configmaps": "0"}))
    with pytest.raises(Forbidden, match=r"requested: count/deployments.apps=1, used: count/deployments.apps=0"):
        await admit(cluster, attributes({"metadata": {"name": "d"}}, "deployments.apps"))
    with pytest.raises(Forbidden, match="requested: configmaps=1"):
        await admit(cluster, attributes({"metadata": {"name": "d"}}, "configmaps"))


async def test_a_quota_holds_from_when_its_status_is_known(cluster):
    bare = quota({"pods": "0"})
    bare["status"] = {}
    cluster.put("resourcequotas", bare)
    await admit(cluster, attributes(pod()))
    cluster.put("resourcequotas", bare | {"status": {"hard": {"pods": "0"}}})
    with pytest.raises(Forbidden, match="status unknown for quota: q, resources: pods"):
        await admit(cluster, attributes(pod()))


async def test_pod_security_levels(cluster):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.put("namespaces", {"metadata": {"name": "ns", "labels": labels}, "status": {"phase": "Active"}})
    with pytest.raises(Forbidden) as caught:
        await admit(cluster, attributes(pod()))
    assert caught.value.message == (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container '
        '"c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set '
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    good = {
        "name": "c",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    await admit(cluster, attributes(pod(containers=[good])))
    labels = {"pod-security.kubernetes.io/warn": "baseline"}
    cluster.put("namespaces", {"metadata": {"name": "ns", "labels": labels}, "status": {"phase": "Active"}})
    attrs = await admit(cluster, attributes(pod(hostNetwork=True)))
    assert attrs.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)']
    template = {"spec": {"hostPID": True, "containers": []}}
    attrs = await admit(
        cluster, attributes({"metadata": {"name": "d"}, "spec": {"template": template}}, "deployments.apps")
    )
    assert attrs.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']


async def test_priority_classes(cluster):
    cluster.put("priorityclasses.scheduling.k8s.io", {"metadata": {"name": "high"}, "value": 1000})
    assert (await admit(cluster, attributes(pod(priorityClassName="high")))).object["spec"]["priority"] == 1000
    critical = pod(priorityClassName="system-node-critical")
    assert (await admit(cluster, attributes(critical))).object["spec"]["priority"] == 2000001000
    with pytest.raises(Forbidden, match="no PriorityClass with name none was found"):
        await admit(cluster, attributes(pod(priorityClassName="none")))
    with pytest.raises(Forbidden, match="must not be provided in pod spec"):
        await admit(cluster, attributes(pod(priorityClassName="high", priority=5)))


async def test_storage_defaults(cluster):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    cluster.put("storageclasses.storage.k8s.io", {"metadata": {"name": "fast", "annotations": annotations}})
    claim = {"metadata": {"name": "c", "namespace": "ns"}, "spec": {}}
    obj = (await admit(cluster, attributes(claim, "persistentvolumeclaims"))).object
    assert obj["spec"]["storageClassName"] == "fast"
    assert obj["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


async def test_node_restriction(cluster):
    kubelet = UserInfo("system:node:n1", "", ("system:nodes",))
    cluster.put("namespaces", {"metadata": {"name": "kube-system"}})
    node = {"metadata": {"name": "n2"}, "spec": {}}
    with pytest.raises(Forbidden, match='node "n1" is not allowed to modify node "n2"'):
        await admit(cluster, attributes(node, "nodes", user=kubelet, namespace=""))
    node = {"metadata": {"name": "n1", "labels": {"node-restriction.kubernetes.io/x": "y"}}, "spec": {}}
    with pytest.raises(
        Forbidden, match=r"is not allowed to set the following labels: node-restriction.kubernetes.io/x"
    ):
        await admit(cluster, attributes(node, "nodes", user=kubelet, namespace=""))
    node = {"metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}}, "spec": {}}
    assert (await admit(cluster, attributes(node, "nodes", user=kubelet, namespace=""))).object["spec"]["taints"]
    with pytest.raises(Forbidden, match="can only create mirror pods"):
        await admit(cluster, attributes(pod(nodeName="n1"), user=kubelet))
    mirror = pod(nodeName="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    cluster.put("nodes", {"metadata": {"name": "n1", "uid": "u1"}})
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1", "controller": True}
    mirror["metadata"]["ownerReferences"] = [owner]
    assert "volumes" not in (await admit(cluster, attributes(mirror, user=kubelet))).object["spec"]


async def test_a_plain_pod_is_cheap(cluster):
    chain = build_chain(Options, cluster, cluster, Nobody())
    many = [attributes(pod()) for _ in range(200)]
    start = time.process_time()
    for attrs in many:
        await chain.mutate(attrs)
        await chain.validate(attrs)
    assert (time.process_time() - start) / len(many) < 0.0004


async def test_rbac_escalation(cluster):
    from apiserver.authorization.rbac_bootstrap import parse_rule
    from apiserver.authorization.registry import Authorizer

    class WithRBAC:
        authorization_mode = ("RBAC",)

    group = "rbac.authorization.k8s.io"
    cluster.put(f"clusterroles.{group}", {"metadata": {"name": "small"}, "rules": [parse_rule("get @ core : pods")]})
    reference = {"kind": "ClusterRole", "name": "small"}
    subjects = [{"kind": "User", "name": "joe"}]
    binding = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": subjects}
    cluster.put(f"clusterrolebindings.{group}", binding)
    authorizer = Authorizer(WithRBAC, cluster)
    chain = build_chain(WithRBAC, cluster, cluster, authorizer)
    role = {"metadata": {"name": "r", "namespace": "ns"}, "rules": [parse_rule("get @ core : pods")]}
    await chain.validate(attributes(role, f"roles.{group}"))
    role["rules"] = [parse_rule("get delete @ core : pods")]
    with pytest.raises(Forbidden) as caught:
        await chain.validate(attributes(role, f"roles.{group}"))
    assert caught.value.message == (
        f'roles.{group} "r" is forbidden: user "joe" (groups=[]) is attempting to grant RBAC permissions not currently '
        'held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
    )


async def test_plugins_that_are_off_by_default(cluster):
    class Some:
        enable_admission_plugins = ("AlwaysPullImages", "DenyServiceExternalIPs", "NamespaceAutoProvision")

    chain = build_chain(Some, cluster, cluster, Nobody())
    attrs = attributes(pod())
    await chain.mutate(attrs)
    assert attrs.object["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    service = {"metadata": {"name": "s"}, "spec": {"externalIPs": ["1.2.3.4"]}}
    with pytest.raises(Forbidden, match="Use of external IPs is denied"):
        await chain.validate(attributes(service, "services"))
    await chain.mutate(attributes({"metadata": {"name": "c"}}, "configmaps", namespace="fresh"))
    assert cluster.by_name["namespaces"].get(None, "fresh")

    class Deny:
        enable_admission_plugins = ("AlwaysDeny",)

    with pytest.raises(Forbidden, match="denying all modifications"):
        await build_chain(Deny, cluster, cluster, Nobody()).validate(attributes(pod()))

    class Unknown:
        enable_admission_plugins = ("Nope",)

    with pytest.raises(ValueError, match='plugin "Nope" is unknown'):
        build_chain(Unknown, cluster, cluster, Nobody())


async def test_topology_labels_reach_the_binding(cluster):
    cluster.put("nodes", {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z", "other": "x"}}})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    attrs = await admit(cluster, attributes(binding, subresource="binding"))
    assert attrs.object["metadata"]["labels"] == {"topology.kubernetes.io/zone": "z"}
