import pytest

from kubelet.environment import ContainerConfigError
from kubelet.volumes.subpath import prepare, resolve_expression


def test_expressions():
    assert resolve_expression({"subPath": "a/b"}, {}) == "a/b"
    assert resolve_expression({"subPathExpr": "$(P)/x"}, {"P": "pod"}) == "pod/x"


@pytest.mark.parametrize(
    "mount", [{"subPathExpr": "$(NO)"}, {"subPathExpr": "$(P)"}, {"subPath": "/abs"}, {"subPath": "../up"}]
)
def test_bad_expressions_are_refused(mount):
    with pytest.raises(ContainerConfigError):
        resolve_expression(mount, {"P": "/abs"})


def test_a_missing_path_is_made_and_a_link_out_is_refused(tmp_path):
    volume = tmp_path / "v"
    volume.mkdir(mode=0o777)
    assert prepare(str(volume), "a/b") == str(volume / "a" / "b")
    assert (volume / "a" / "b").is_dir()
    (volume / "out").symlink_to("/etc")
    with pytest.raises(ContainerConfigError, match="not within volume path"):
        prepare(str(volume), "out/passwd")
