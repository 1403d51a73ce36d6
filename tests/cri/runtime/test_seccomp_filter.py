import base64
import os

import pytest

from cri.oci_spec import seccomp_default
from cri.runtime import seccomp_filter

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="compares x86_64 programs")


def test_a_profile_becomes_a_program_of_whole_instructions() -> None:
    profile = seccomp_default.default_profile(frozenset(), "x86_64", compatible=False)
    program = base64.b64decode(seccomp_filter.compiled(profile))
    assert program
    assert len(program) % 8 == 0
    assert seccomp_filter.compiled(profile) is seccomp_filter.compiled(dict(profile))


def test_capabilities_make_another_program() -> None:
    weak, strong = (
        seccomp_filter.compiled(seccomp_default.default_profile(frozenset(c), "x86_64", compatible=False))
        for c in ((), ("CAP_SYS_ADMIN",))
    )
    assert weak != strong


@pytest.mark.parametrize(
    "profile",
    [
        {"defaultAction": "SCMP_ACT_NOTIFY"},
        {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]},
        {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]},
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 0, "op": "?"}]}],
        },
    ],
)
def test_what_can_not_be_translated_is_left_to_the_runtime(profile: dict[str, object]) -> None:
    assert seccomp_filter.compiled(profile) == ""


def test_unknown_calls_are_skipped() -> None:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such"], "action": "SCMP_ACT_KILL"}]}
    assert seccomp_filter.compiled(profile)
