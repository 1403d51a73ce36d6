import pytest

from cri import errors
from cri.oci_spec import namespaces as ns
from protocols.cri import api_pb2 as api

POD = ns.PodNamespaces(network="/n", ipc="/i", uts="/u")


def types(options: object, pod: ns.PodNamespaces = POD, target: int = 0) -> dict[str, str]:
    return {n["type"]: n.get("path", "") for n in ns.container_namespaces(options, pod, target)}


def test_pod_namespaces_are_joined_and_the_nodes_left_out() -> None:
    own = types(api.NamespaceOption(pid=api.CONTAINER))
    assert own == {"mount": "", "network": "/n", "ipc": "/i", "uts": "/u", "pid": ""}
    node = types(api.NamespaceOption(pid=api.NODE, network=api.NODE, ipc=api.NODE), ns.PodNamespaces())
    assert node == {"mount": ""}


def test_pid_modes() -> None:
    assert types(api.NamespaceOption(pid=api.POD), ns.PodNamespaces(pid="/proc/7/ns/pid"))["pid"] == "/proc/7/ns/pid"
    assert types(api.NamespaceOption(pid=api.TARGET), target=9)["pid"] == "/proc/9/ns/pid"
    with pytest.raises(errors.FailedPrecondition):
        types(api.NamespaceOption(pid=api.TARGET))


def user(mode: int, *mappings: tuple[int, int, int]) -> object:
    ids = [api.IDMapping(container_id=c, host_id=h, length=n) for c, h, n in mappings]
    return api.NamespaceOption(userns_options=api.UserNamespace(mode=mode, uids=ids, gids=ids))


@pytest.mark.parametrize("options", [api.NamespaceOption(), user(api.NODE), user(api.POD, (0, 100000, 65536))])
def test_possible_sandboxes(options: object) -> None:
    ns.check_sandbox_options(options)


@pytest.mark.parametrize(
    "options",
    [
        api.NamespaceOption(network=api.CONTAINER),
        user(api.CONTAINER),
        user(api.TARGET),
        user(api.POD),
        user(api.POD, (0, 1, 1), (1, 2, 1)),
        user(api.POD, (1, 100000, 65536)),
        user(api.POD, (0, 100000, 0)),
        user(api.NODE, (0, 100000, 65536)),
    ],
)
def test_impossible_sandboxes(options: object) -> None:
    with pytest.raises(errors.InvalidArgument):
        ns.check_sandbox_options(options)
