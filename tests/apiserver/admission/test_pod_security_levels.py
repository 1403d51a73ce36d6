import pytest

from apiserver.admission.pod_security_levels import Configuration, LevelVersion, Policy, policy

PREFIX = "pod-security.kubernetes.io/"
GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec_of(security=None, **more):
    container = {"name": "c", "securityContext": security or {}}
    return {"containers": [container | more.pop("container", {})], **more}


def reasons(level, version, spec, annotations=None):
    found = LevelVersion(level, version).violations({"annotations": annotations or {}}, spec)
    return [violation.reason for violation in found]


def labels(**modes):
    return {PREFIX + key.replace("_", "-"): value for key, value in modes.items()}


@pytest.mark.parametrize(
    ("spec", "reason", "detail"),
    [
        ({"hostNetwork": True, "hostPID": True}, "host namespaces", "hostNetwork=true, hostPID=true"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "hostPath volumes", 'volume "v"'),
        ({"container": {"ports": [{"hostPort": 80}]}}, "hostPort", 'container "c" uses hostPort 80'),
        (
            {"security": {"privileged": True}},
            "privileged",
            'container "c" must not set securityContext.privileged=true',
        ),
        (
            {"security": {"capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}}},
            "non-default capabilities",
            'container "c" must not include "SYS_ADMIN" in securityContext.capabilities.add',
        ),
        (
            {"security": {"procMount": "Unmasked"}},
            "procMount",
            'container "c" must not set securityContext.procMount to "Unmasked"',
        ),
        (
            {"securityContext": {"seLinuxOptions": {"type": "spc_t", "role": "r"}}},
            "seLinuxOptions",
            'pod set forbidden securityContext.seLinuxOptions: type "spc_t"; role may not be set',
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            "seccompProfile",
            'pod must not set securityContext.seccompProfile.type to "Unconfined"',
        ),
        ({"securityContext": {"sysctls": [{"name": "kernel.sem"}]}}, "forbidden sysctls", "kernel.sem"),
        (
            {"security": {"windowsOptions": {"hostProcess": True}}},
            "hostProcess",
            'container "c" must not set securityContext.windowsOptions.hostProcess=true',
        ),
        (
            {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
            "forbidden AppArmor profile",
            'pod must not set AppArmor profile type to "Unconfined"',
        ),
        (
            {"container": {"livenessProbe": {"httpGet": {"host": "10.0.0.1"}}}},
            "probe or lifecycle host",
            'container "c" uses probe or lifecycle host "10.0.0.1"',
        ),
    ],
)
def test_each_baseline_check_tells_its_reason(spec, reason, detail):
    found = LevelVersion("baseline").violations({}, spec_of(**spec))
    assert [tuple(one) for one in found] == [(reason, detail)]
    assert LevelVersion("privileged").violations({}, spec_of(**spec)) == []


def test_restricted_takes_the_place_of_what_it_tightens():
    spec = spec_of(GOOD | {"capabilities": {"add": ["CHOWN"]}}, volumes=[{"name": "v", "hostPath": {}}])
    assert reasons("restricted", "latest", spec) == ["unrestricted capabilities", "restricted volume types"]
    assert reasons("restricted", "latest", spec_of(GOOD)) == []
    assert reasons("restricted", "latest", spec_of(GOOD | {"runAsUser": 0})) == ["runAsUser=0"]


@pytest.mark.parametrize(
    ("level", "spec", "since", "until"),
    [
        ("restricted", spec_of(GOOD | {"allowPrivilegeEscalation": None}), 8, None),
        ("restricted", spec_of(GOOD | {"capabilities": {}}), 22, None),
        ("restricted", spec_of(GOOD | {"runAsUser": 0}), 23, None),
        ("restricted", spec_of(GOOD | {"seccompProfile": None}), 19, None),
        ("restricted", spec_of({"runAsNonRoot": True}, os={"name": "windows"}), 8, 25),
        ("restricted", spec_of(GOOD | {"runAsNonRoot": None}, hostUsers=False), 0, 35),
        ("baseline", spec_of({"procMount": "Unmasked"}, hostUsers=False), 0, 35),
        ("baseline", spec_of({"seLinuxOptions": {"type": "container_engine_t"}}), 0, 31),
        ("baseline", spec_of(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}), 0, 32),
        ("baseline", spec_of(securityContext={"sysctls": [{"name": "net.ipv4.tcp_fin_timeout"}]}), 0, 29),
        ("baseline", spec_of(securityContext={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports"}]}), 0, 27),
        ("baseline", spec_of(container={"livenessProbe": {"tcpSocket": {"host": "h"}}}), 34, None),
    ],
)
def test_checks_hold_in_their_versions(level, spec, since, until):
    if since:
        assert reasons(level, f"v1.{since - 1}", spec) == []
    assert reasons(level, f"v1.{since}", spec)
    if until is not None:
        assert reasons(level, f"v1.{until - 1}", spec)
        assert reasons(level, f"v1.{until}", spec) == []
    assert reasons(level, "v1.99", spec) == reasons(level, "latest", spec)


def test_seccomp_annotations_count_in_old_versions():
    annotations = {"container.seccomp.security.alpha.kubernetes.io/c": "unconfined"}
    assert reasons("baseline", "v1.18", spec_of(), annotations) == ["seccompProfile"]
    assert reasons("baseline", "v1.19", spec_of(), annotations) == []


def test_labels_say_level_and_version():
    assert policy({}, Policy()) == Policy()
    found = policy(labels(enforce="baseline", enforce_version="v1.30"), Policy())
    assert (str(found.enforce), str(found.audit), str(found.warn)) == (
        "baseline:v1.30",
        "privileged:latest",
        "baseline:v1.30",
    )
    assert str(policy(labels(enforce="baseline", warn="privileged"), Policy()).warn) == "privileged:latest"
    wrong = policy(labels(enforce="x", audit="x", warn="x", warn_version="y"), Policy())
    assert (wrong.enforce.level, wrong.audit.level, str(wrong.warn)) == (
        "restricted",
        "privileged",
        "privileged:latest",
    )
    defaults = Configuration.of({"defaults": {"enforce": "restricted", "enforce-version": "v1.30"}}).defaults
    assert str(policy(labels(enforce="baseline"), defaults).enforce) == "baseline:v1.30"


def test_a_configuration_with_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="must be one of privileged, baseline, restricted"):
        Configuration.of({"defaults": {"enforce": "strict"}})
