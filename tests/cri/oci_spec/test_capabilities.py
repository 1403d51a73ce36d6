import pytest

from cri import errors
from cri.oci_spec import capabilities, clamps
from protocols.cri import api_pb2 as api

HOST = clamps.HostFacts(
    machine="x86_64", bounding=capabilities.KNOWN - {"CAP_SYS_RESOURCE"}, oom_score_adj=0, rlimits={}
)


def context(add: list[str] = [], drop: list[str] = [], ambient: list[str] = [], privileged: bool = False) -> object:  # noqa: B006
    return api.LinuxContainerSecurityContext(
        privileged=privileged,
        capabilities=api.Capability(add_capabilities=add, drop_capabilities=drop, add_ambient_capabilities=ambient),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (context(), set(capabilities.DEFAULT)),
        (context(add=["NET_ADMIN"]), {*capabilities.DEFAULT, "CAP_NET_ADMIN"}),
        (context(add=["cap_net_admin"]), {*capabilities.DEFAULT, "CAP_NET_ADMIN"}),
        (context(drop=["CHOWN"]), set(capabilities.DEFAULT) - {"CAP_CHOWN"}),
        (context(drop=["ALL"]), set()),
        (context(drop=["ALL"], add=["KILL"]), {"CAP_KILL"}),
        (context(add=["ALL"]), set(HOST.bounding)),
        (context(add=["ALL"], drop=["MKNOD"]), set(HOST.bounding) - {"CAP_MKNOD"}),
        (context(privileged=True), set(HOST.bounding)),
        (context(add=["SYS_RESOURCE"]), set(capabilities.DEFAULT)),
    ],
)
def test_the_bounding_set(given: object, expected: set[str]) -> None:
    assert capabilities.allowed(given, capabilities.DEFAULT, HOST) == expected


def test_ambient_capabilities_are_in_every_set() -> None:
    given = context(ambient=["NET_BIND_SERVICE"])
    sets = capabilities.process_sets(given, capabilities.allowed(given, (), HOST))
    assert all("CAP_NET_BIND_SERVICE" in names for names in sets.values())
    assert len(sets) == 5


def test_without_ambient_ones_nothing_is_inheritable() -> None:
    assert set(capabilities.process_sets(context(), frozenset({"CAP_KILL"}))) == {"bounding", "effective", "permitted"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="NONSENSE"):
        capabilities.allowed(context(add=["NONSENSE"]), (), HOST)
