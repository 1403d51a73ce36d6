"""Issue 4, point 5."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from protocols.cri import api_pb2 as api
from tests.cri.live.cri_service import Service, until

pytestmark = pytest.mark.live
DEFAULT = {"profile_type": api.SecurityProfile.RuntimeDefault}


@pytest.mark.parametrize(
    ("image", "security", "expected"),
    [
        ("localhost/busybox:latest", {}, "0 0 0"),
        ("localhost/user:uid", {}, "1002 1003 1003 50000"),
        ("localhost/user:name", {}, "1002 1003 1003 50000"),
        ("localhost/user:group", {}, "1002 50000 50000"),
        ("localhost/busybox:latest", {"run_as_user": {"value": 1002}}, "1002 1003 1003 50000"),
        ("localhost/busybox:latest", {"run_as_username": "www"}, "1002 1003 1003 50000"),
        ("localhost/busybox:latest", {"run_as_user": {"value": 4242}}, "4242 0 0"),
        ("localhost/busybox:latest", {"run_as_user": {"value": 1002}, "run_as_group": {"value": 7}}, "1002 7 7 50000"),
        (
            "localhost/busybox:latest",
            {"run_as_user": {"value": 1002}, "supplemental_groups": [1234]},
            "1002 1003 1003 1234 50000",
        ),
        (
            "localhost/busybox:latest",
            {
                "run_as_user": {"value": 1002},
                "supplemental_groups": [1234],
                "supplemental_groups_policy": api.Strict,
            },
            "1002 1003 1003 1234",
        ),
    ],
)
def test_identity(service: Service, image: str, security: dict[str, object], expected: str) -> None:
    with service.pod() as pod:
        container = pod.start("sh", "-c", "echo $(id -u) $(id -g) $(id -G)", image=image, security=security)
        status = container.wait()
        words = container.logs().split()
        assert words[:2] == expected.split()[:2]
        assert sorted(set(words[2:])) == sorted(set(expected.split()[2:]))
        assert (status.user.linux.uid, status.user.linux.gid) == (int(words[0]), int(words[1]))


def test_impossible_identities_are_refused(service: Service) -> None:
    with service.pod() as pod:
        for security, words in (
            ({"run_as_group": {"value": 7}}, "group is specified without user"),
            ({"run_as_username": "ghost"}, "ghost"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                pod.create("true", security=security)
            assert words in caught.value.details()


def _capabilities(text: str) -> int:
    return int(next(line for line in text.splitlines() if line.startswith("CapEff")).split()[1], 16)


def test_capabilities_are_added_and_dropped(service: Service) -> None:
    with service.pod() as pod:
        script = "cat /proc/self/status"
        default = _capabilities(pod.output(script))
        assert default == 0x5FB
        more = _capabilities(pod.output(script, security={"capabilities": {"add_capabilities": ["NET_ADMIN"]}}))
        assert more == default | 1 << 12
        less = {"capabilities": {"drop_capabilities": ["ALL"], "add_capabilities": ["CHOWN"]}}
        assert _capabilities(pod.output(script, security=less)) == 1
        own = int(next(x for x in open("/proc/self/status") if x.startswith("CapBnd")).split()[1], 16)
        assert _capabilities(pod.output(script, security={"capabilities": {"add_capabilities": ["ALL"]}})) == own
        assert _capabilities(pod.output(script, security={"privileged": True})) == own
        with pytest.raises(grpc.RpcError):
            pod.create("true", security={"capabilities": {"add_capabilities": ["NONSENSE"]}})


def test_a_privileged_container_sees_devices_and_writes_sys(service: Service) -> None:
    with service.pod() as pod:
        out = pod.output("mount | grep ' /sys '; ls /dev", security={"privileged": True})
        assert "/sys type sysfs (rw" in out
        ordinary = pod.output("mount | grep ' /sys '; ls /dev")
        assert "/sys type sysfs (ro" in ordinary
        assert len(out.split()) > len(ordinary.split())


def test_seccomp_profiles(service: Service, tmp_path: object) -> None:
    with service.pod() as pod:
        seccomp = "grep Seccomp: /proc/self/status | cut -f 2; unshare -m true 2>&1 || true"
        default = pod.output(
            seccomp, security={"seccomp": DEFAULT, "capabilities": {"add_capabilities": ["SYS_CHROOT"]}}
        )
        assert default.startswith("2\n")
        assert "not permitted" in default
        assert pod.output(seccomp).startswith("0\n")
        unconfined = {"seccomp": {"profile_type": api.SecurityProfile.Unconfined}}
        assert pod.output(seccomp, security=unconfined).startswith("0\n")
        profile = service.directory / "profile.json"
        rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}
        profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
        local = {"seccomp": {"profile_type": api.SecurityProfile.Localhost, "localhost_ref": str(profile)}}
        assert "Permission denied" in pod.output("mkdir /tmp/x 2>&1", security=local)
        missing = {"seccomp": {"profile_type": api.SecurityProfile.Localhost, "localhost_ref": "/none.json"}}
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", security=missing)
        assert "/none.json" in caught.value.details()


def test_a_seccomp_kill_is_the_reason(service: Service) -> None:
    profile = service.directory / "kill.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    local = {"seccomp": {"profile_type": api.SecurityProfile.Localhost, "localhost_ref": str(profile)}}
    with service.pod() as pod:
        status = pod.start("mkdir", "/tmp/x", security=local).wait()
        assert (status.exit_code, status.reason) == (159, "seccomp killed")


def test_no_new_privileges_read_only_root_and_paths(service: Service) -> None:
    with service.pod() as pod:
        assert pod.output("grep NoNewPrivs /proc/self/status", security={"no_new_privs": True}).split()[1] == "1"
        assert pod.output("grep NoNewPrivs /proc/self/status").split()[1] == "0"
        assert "Read-only" in pod.output("touch /x 2>&1", security={"readonly_rootfs": True})
        masked = {"masked_paths": ["/proc/kcore", "/etc/group"], "readonly_paths": ["/proc/sys"]}
        out = pod.output("cat /etc/group; echo 1 > /proc/sys/net/ipv4/ip_forward", security=masked)
        assert "extra" not in out
        assert "Read-only" in out


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_a_setuid_program_raises_privileges_unless_forbidden(service: Service, *, no_new_privs: bool) -> None:
    security = {"run_as_user": {"value": 1002}, "no_new_privs": no_new_privs}
    with service.pod() as pod:
        container = pod.start("/setuid-cat", "/proc/self/status", image="localhost/setuid:cat", security=security)
        assert container.wait().exit_code == 0
        uids = next(line for line in container.logs().splitlines() if line.startswith("Uid:")).split()[1:]
        assert uids[0] == "1002"
        assert uids[1] == ("1002" if no_new_privs else "0")


def test_paths_stay_masked_and_read_only_for_commands(service: Service) -> None:
    security = {"masked_paths": ["/data/file", "/no/such/path"], "readonly_paths": ["/tmp"]}
    with service.pod() as pod:
        container = pod.start(security=security)
        assert container.shell("cat /data/file") == ""
        touch = container.exec("touch", "/tmp/test")
        assert (touch.exit_code, touch.stderr) == (1, b"touch: /tmp/test: Read-only file system\n")


def test_an_unmasked_proc_hides_nothing(service: Service) -> None:
    kubelets = {"masked_paths": ["/proc/keys", "/proc/timer_list"], "readonly_paths": ["/proc/sys", "/proc/irq"]}
    with service.pod() as pod:
        masked = pod.output("mount | grep -c ' /proc/'", security=kubelets)
        assert int(masked) >= 3
        assert pod.output("mount | grep -c ' /proc/'") == "0\n"
        assert pod.output("mount | grep -c ' /proc/'", security={**kubelets, "privileged": True}) == "0\n"


@pytest.mark.parametrize(
    ("security", "allowed"),
    [
        ({}, False),
        ({"capabilities": {"add_capabilities": ["NET_ADMIN"]}}, True),
        ({"capabilities": {"add_capabilities": ["CAP_NET_ADMIN"]}}, True),
        ({"privileged": True}, True),
        ({"capabilities": {"add_capabilities": ["ALL"], "drop_capabilities": ["NET_ADMIN"]}}, False),
    ],
)
def test_the_network_is_managed_with_the_capability(
    service: Service, security: dict[str, object], *, allowed: bool
) -> None:
    with service.pod() as pod:
        container = pod.start(security=security)
        assert (container.exec("brctl", "addbr", "mine").exit_code == 0) == allowed
        assert ("mine" in container.shell("ip link")) == allowed


def test_groups_are_those_of_commands_too(service: Service) -> None:
    security = {"run_as_user": {"value": 1002}, "supplemental_groups": [1234, 5678]}
    with service.pod() as pod:
        container = pod.start("sh", "-c", "id -G; exec sleep 1000", security=security)
        groups = sorted(until(container.logs).split(), key=int)
        assert groups == ["1003", "1234", "5678", "50000"]
        assert sorted(container.shell("id -G").split(), key=int) == groups
        assert sorted(container.status.user.linux.supplemental_groups) == [int(group) for group in groups]


SET_HOSTNAME = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]}


@pytest.mark.parametrize(
    ("profile", "more", "allowed"),
    [
        (api.SecurityProfile.Unconfined, {"capabilities": {"add_capabilities": ["SYS_ADMIN"]}}, True),
        (api.SecurityProfile.Localhost, {"capabilities": {"add_capabilities": ["SYS_ADMIN"]}}, False),
        (api.SecurityProfile.RuntimeDefault, {"capabilities": {"add_capabilities": ["SYS_ADMIN"]}}, True),
        (api.SecurityProfile.RuntimeDefault, {}, False),
        (api.SecurityProfile.Localhost, {"privileged": True}, True),
    ],
)
def test_seccomp_and_capabilities_decide_about_a_call(
    service: Service, profile: int, more: dict[str, object], *, allowed: bool
) -> None:
    path = service.directory / "sethostname.json"
    path.write_text(json.dumps(SET_HOSTNAME))
    localhost = str(path) if profile == api.SecurityProfile.Localhost else ""
    seccomp = api.SecurityProfile(profile_type=profile, localhost_ref=localhost)
    with service.pod() as pod:
        container = pod.start(security={"seccomp": seccomp, **more})
        assert (container.exec("hostname", "other").exit_code == 0) == allowed
        assert container.shell("hostname").strip() == ("other" if allowed else pod.name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "not an object"),
        ("{}", "no defaultAction"),
        ('{"defaultAction": "SCMP_ACT_NONSENSE"}', "SCMP_ACT_NONSENSE"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "mkdir", "action": "SCMP_ACT_ERRNO"}]}', "names"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": 7}', "syscalls"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"]}]}', "action"),
    ],
)
def test_a_broken_seccomp_profile_is_told(service: Service, text: str, words: str) -> None:
    path = service.directory / "broken.json"
    path.write_text(text)
    security = {"seccomp": {"profile_type": api.SecurityProfile.Localhost, "localhost_ref": str(path)}}
    with service.pod() as pod, pytest.raises(grpc.RpcError) as caught:
        pod.create("true", security=security)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
    assert str(path) in caught.value.details()


def test_a_relative_seccomp_profile_is_refused(service: Service) -> None:
    security = {"seccomp": {"profile_type": api.SecurityProfile.Localhost, "localhost_ref": "profile.json"}}
    with service.pod() as pod, pytest.raises(grpc.RpcError) as caught:
        pod.create("true", security=security)
    assert "absolute path" in caught.value.details()


def test_apparmor_profiles(service: Service) -> None:
    profiles = Path("/sys/kernel/security/apparmor/profiles")
    if not profiles.exists() or "minikube-py-default" not in profiles.read_text():
        pytest.skip("this host has no AppArmor, or no apparmor_parser")
    kinds = api.SecurityProfile
    powerful = {"capabilities": {"add_capabilities": ["SYS_ADMIN", "SYS_PTRACE"]}}
    with service.pod() as pod:
        current = "cat /proc/self/attr/current; "
        mount = "mount -t tmpfs tmpfs /tmp 2>&1 && echo mounted; "
        node = "echo 60 > /proc/sys/vm/swappiness"
        default = pod.output(current + mount + node, security={"apparmor": {"profile_type": 0}, **powerful})
        assert default.startswith("minikube-py-default (enforce)\n")
        assert "mounted" not in default
        assert "Permission denied" in default
        unconfined = {"apparmor": {"profile_type": kinds.Unconfined}, **powerful}
        assert pod.output(current + mount, security=unconfined) == "unconfined\nmounted\n"
        assert pod.output(current + mount, security={"privileged": True}) == "unconfined\nmounted\n"
        named = {"apparmor": {"profile_type": kinds.Localhost, "localhost_ref": "minikube-py-default"}}
        assert pod.output(current, security=named) == "minikube-py-default (enforce)\n"
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", security={"apparmor": {"profile_type": kinds.Localhost, "localhost_ref": "none"}})
        assert "'none' is not loaded" in caught.value.details()
        container = pod.start(
            "sh", "-c", "trap 'exit 3' TERM; while true; do sleep 0.1; done", security={"apparmor": {}}
        )
        assert "hello" in container.shell("sleep 100 & kill $!; wait $!; hostname > /tmp/x; echo hello")
        container.stop(10)
        assert container.status.exit_code == 3


def test_apparmor_where_the_host_has_none(service: Service) -> None:
    if Path("/sys/module/apparmor/parameters/enabled").exists():
        pytest.skip("this host has AppArmor")
    with service.pod() as pod:
        security = {"apparmor": {"profile_type": api.SecurityProfile.Localhost, "localhost_ref": "mine"}}
        with pytest.raises(grpc.RpcError) as caught:
            pod.create("true", security=security)
        assert "'mine'" in caught.value.details()
        assert "AppArmor is not enabled on the host" in caught.value.details()
        for kind in (api.SecurityProfile.RuntimeDefault, api.SecurityProfile.Unconfined):
            assert pod.output("echo runs", security={"apparmor": {"profile_type": kind}}) == "runs\n"
        labels = {"user": "system_u", "role": "system_r", "type": "svirt_t", "level": "s0:c1,c2"}
        assert pod.output("echo runs", security={"selinux_options": labels}) == "runs\n"


def test_volumes_stay_writable_under_a_read_only_root(service: Service) -> None:
    with service.pod() as pod:
        script = "touch /vol/x && echo fine"
        assert pod.output(script, image="localhost/stop:usr1", security={"readonly_rootfs": True}) == "fine\n"


def test_what_the_host_forbids_is_clamped(service: Service) -> None:
    with service.pod() as pod:
        out = pod.output("cat /proc/self/oom_score_adj", resources={"oom_score_adj": -998})
        own = int(open("/proc/self/oom_score_adj").read())
        assert int(out) in (-998, own)
        assert int(pod.output("cat /proc/self/oom_score_adj", resources={"oom_score_adj": 500})) == 500


def test_devices(service: Service) -> None:
    device = api.Device(host_path="/dev/null", container_path="/dev/mine", permissions="rw")
    with service.pod() as pod:
        out = pod.output("test -c /dev/mine && echo x > /dev/mine && echo written", devices=[device])
        assert out == "written\n"
        with pytest.raises(grpc.RpcError):
            pod.create("true", devices=[api.Device(host_path="/etc/passwd", container_path="/dev/p", permissions="r")])
        with pytest.raises(grpc.RpcError):
            pod.create("true", devices=[api.Device(host_path="/dev/null", container_path="/dev/p", permissions="q")])


def test_cdi_devices_bring_their_edits(service: Service) -> None:
    edits = {
        "env": ["CDI=yes"],
        "deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/zero"}],
        "mounts": [{"hostPath": str(service.registries), "containerPath": "/vendor.conf", "options": ["ro", "bind"]}],
    }
    spec = {"cdiVersion": "0.6.0", "kind": "vendor.test/gpu", "devices": [{"name": "one", "containerEdits": edits}]}
    (service.cdi / "vendor.json").write_text(json.dumps(spec))
    with service.pod() as pod:
        devices = [api.CDIDevice(name="vendor.test/gpu=one")]
        out = pod.output("echo $CDI; head -c 3 /dev/vendor0 | wc -c; grep -c search /vendor.conf", CDI_devices=devices)
        assert out == "yes\n3\n1\n"
        for wrong in ("vendor.test/gpu=two", "junk"):
            with pytest.raises(grpc.RpcError) as caught:
                pod.create("true", CDI_devices=[api.CDIDevice(name=wrong)])
            assert wrong in caught.value.details()


def test_a_target_container_shares_its_pid_namespace(service: Service) -> None:
    with service.pod() as pod:
        target = pod.start("sleep", "4321")
        options = {"pid": api.TARGET, "target_id": target.id}
        guest = pod.start(security={"namespace_options": options})
        until(lambda: "sleep 4321" in guest.shell("ps"))
