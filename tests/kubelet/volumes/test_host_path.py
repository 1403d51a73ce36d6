import pytest

from kubelet.volumes.host_path import check
from kubelet.volumes.source import VolumeError


def test_types(tmp_path):
    check(tmp_path / "new", "DirectoryOrCreate")
    assert (tmp_path / "new").is_dir()
    check(tmp_path / "file", "FileOrCreate")
    assert (tmp_path / "file").is_file()
    check(tmp_path / "nowhere", "")
    for path, kind, message in (
        ("none", "Directory", "is not a directory"),
        ("new", "File", "is not a file"),
        ("file", "Socket", "is not a socket file"),
    ):
        with pytest.raises(VolumeError, match=message):
            check(tmp_path / path, kind)
