import pytest

from cri import errors
from cri.oci_spec import seccomp, seccomp_default
from protocols.cri import api_pb2 as api

Profile = api.SecurityProfile


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, (Profile.Unconfined, "")),
        ({"seccomp": {"profile_type": Profile.RuntimeDefault}}, (Profile.RuntimeDefault, "")),
        ({"seccomp": {"profile_type": Profile.Unconfined}}, (Profile.Unconfined, "")),
        ({"seccomp": {"profile_type": Profile.Localhost, "localhost_ref": "/p"}}, (Profile.Localhost, "/p")),
        ({"seccomp": {"profile_type": Profile.RuntimeDefault}, "privileged": True}, (Profile.Unconfined, "")),
        ({"seccomp_profile_path": "runtime/default"}, (Profile.RuntimeDefault, "")),
        ({"seccomp_profile_path": "localhost//p"}, (Profile.Localhost, "/p")),
        ({"seccomp_profile_path": "unconfined"}, (Profile.Unconfined, "")),
    ],
)
def test_which_profile(context: dict[str, object], expected: tuple[int, str]) -> None:
    assert seccomp.wanted(api.LinuxContainerSecurityContext(**context)) == expected


def test_relative_paths_are_refused() -> None:
    with pytest.raises(errors.InvalidArgument):
        seccomp.wanted(
            api.LinuxContainerSecurityContext(seccomp={"profile_type": Profile.Localhost, "localhost_ref": "p"})
        )
    with pytest.raises(errors.InvalidArgument):
        seccomp.wanted(api.LinuxContainerSecurityContext(seccomp_profile_path="what"))


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ([], "not an object"),
        ({}, "no defaultAction"),
        ({"defaultAction": "ALLOW"}, "'ALLOW' is none of"),
        ({"defaultAction": ["SCMP_ACT_ALLOW"]}, "is none of"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}, "flags": None}, ""),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": "mkdir"}, "syscalls is not a list"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [1]}, "syscalls[0] is not an object"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"]}]}, "syscalls[0].action"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_LOG"}]}, "names"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_LOG"}]}, ""),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "args": {"a": 1}}],
            },
            "args",
        ),
    ],
)
def test_what_is_no_profile_is_told(profile: object, words: str) -> None:
    if not words:
        seccomp.check_profile(profile)
        return
    with pytest.raises(errors.InvalidArgument) as caught:
        seccomp.check_profile(profile)
    assert words in str(caught.value)


def test_the_rich_form_is_reduced_for_capabilities_and_machine() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [],
        "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["c"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["d"], "action": "SCMP_ACT_ALLOW", "args": []},
            {"name": "e", "action": "SCMP_ACT_ALLOW"},
        ],
    }
    names = [rule["names"] for rule in seccomp.reduce_profile(profile, frozenset(), "x86_64")["syscalls"]]
    assert names == [["b"], ["d"], ["e"]]
    powerful = seccomp.reduce_profile(profile, frozenset({"CAP_SYS_ADMIN"}), "aarch64")["syscalls"]
    assert [rule["names"] for rule in powerful] == [["a"], ["c"], ["d"], ["e"]]


def test_the_default_profile_opens_with_capabilities() -> None:
    def names(*capabilities: str) -> set[str]:
        rules = seccomp_default.default_profile(frozenset(capabilities), "x86_64", compatible=False)["syscalls"]
        return set(rules[0]["names"])

    assert "mount" not in names()
    assert {"read", "execve", "socket"} <= names()
    assert "mount" in names("CAP_SYS_ADMIN")
    assert "reboot" in names("CAP_SYS_BOOT")


@pytest.mark.parametrize(
    ("machine", "compatible", "expected"),
    [
        ("x86_64", False, ["SCMP_ARCH_X86_64"]),
        ("x86_64", True, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        ("mystery", False, []),
    ],
)
def test_architectures(machine: str, compatible: bool, expected: list[str]) -> None:
    assert seccomp_default.architectures(machine, compatible=compatible) == expected
