import pytest

from kubelet.runtime.security_context import RunAsNonRootError, container_context, namespace_options, verify_non_root
from protocols.cri import api_pb2 as pb


def pod(**spec):
    return {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"containers": [], **spec}}


def context(p, c, uid=None, user=""):
    return container_context(p, {"name": "c", **c}, image_uid=uid, image_user=user)


def test_the_container_wins_over_the_pod_and_both_over_the_image():
    p = pod(securityContext={"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4]})
    found = context(p, {"securityContext": {"runAsUser": 9}}, uid=7)
    assert (found.run_as_user.value, found.run_as_group.value, list(found.supplemental_groups)) == (9, 2, [4, 3])
    assert context(pod(), {}, uid=7).run_as_user.value == 7
    assert context(pod(), {}, user="www").run_as_username == "www"


def test_seccomp_and_paths():
    plain = context(pod(), {})
    assert plain.seccomp.profile_type == pb.SecurityProfile.Unconfined
    assert "/proc/kcore" in plain.masked_paths
    default = context(pod(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}), {})
    assert default.seccomp.profile_type == pb.SecurityProfile.RuntimeDefault
    assert not context(pod(), {"securityContext": {"privileged": True}}).masked_paths


def test_namespaces():
    assert namespace_options(pod()).pid == pb.CONTAINER
    assert namespace_options(pod(shareProcessNamespace=True)).pid == pb.POD
    assert namespace_options(pod(hostPID=True, hostNetwork=True, hostIPC=True)).network == pb.NODE
    target = namespace_options(pod(), target="x")
    assert (target.pid, target.target_id) == (pb.TARGET, "x")


def test_no_new_privileges_and_capabilities():
    found = context(
        pod(),
        {
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["ALL"]},
            }
        },
    )
    assert found.no_new_privs
    assert list(found.capabilities.add_capabilities) == ["NET_ADMIN"]


@pytest.mark.parametrize(
    ("security", "uid", "user", "message"),
    [
        ({"runAsUser": 0}, None, "", "runAsUser breaks non-root policy"),
        ({}, 0, "", "image will run as root"),
        ({}, None, "www", "non-numeric user"),
    ],
)
def test_non_root_is_verified(security, uid, user, message):
    p = pod(securityContext={"runAsNonRoot": True, **security})
    with pytest.raises(RunAsNonRootError, match=message):
        verify_non_root(p, {"name": "c"}, uid, user)
    verify_non_root(pod(securityContext={"runAsNonRoot": True, "runAsUser": 5}), {"name": "c"}, 0, "")
