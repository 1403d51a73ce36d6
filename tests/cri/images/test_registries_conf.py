import pathlib

import pytest

from cri.images import registries_conf
from cri.images.registries_conf import AmbiguousNameError, Registries, RegistriesFile

DIGEST = "sha256:" + "a" * 64


def files(directory: pathlib.Path, *, mode: str = "") -> RegistriesFile:
    drop_ins = directory / "registries.conf.d"
    drop_ins.mkdir(exist_ok=True)
    main, learnt = directory / "registries.conf", directory / "learnt.conf"
    return RegistriesFile(str(main), drop_ins=(str(drop_ins),), learnt_aliases=str(learnt), mode=lambda: mode)


def test_drop_ins_are_merged_and_damaged_ones_skipped(tmp_path: pathlib.Path) -> None:
    found = files(tmp_path, mode="disabled")
    (tmp_path / "registries.conf").write_text('unqualified-search-registries = ["a.test"]\n[aliases]\nold = "x.test/o"')
    folder = tmp_path / "registries.conf.d"
    (folder / "1.conf").write_text('[aliases]\n"box" = "c.test/box"\nold = ""\nsame = "c.test/same"\n')
    (folder / "2.conf").write_text("not toml [")
    (folder / "3.conf").write_text('unqualified-search-registries = ["d.test", "e.test"]\n')
    (folder / "4.conf").write_text('short-name-mode = "guessing"\nunqualified-search-registries = ["f.test"]\n')
    (folder / "5.txt").write_text('unqualified-search-registries = ["g.test"]\n')
    (tmp_path / "learnt.conf").write_text('[aliases]\nsame = "podman.test/same"\n')
    assert found.to_pull("box:1") == ["c.test/box:1"]
    assert found.to_pull("x") == ["d.test/x:latest", "e.test/x:latest"]
    assert found.to_pull("old") == ["d.test/old:latest", "e.test/old:latest"]
    assert found.to_pull("same") == ["podman.test/same:latest"]


def test_a_change_of_any_file_is_seen(tmp_path: pathlib.Path) -> None:
    found = files(tmp_path)
    assert found.to_pull("x") == ["docker.io/library/x:latest"]
    drop_in = tmp_path / "registries.conf.d/1.conf"
    drop_in.write_text('unqualified-search-registries = ["a.test"]\n')
    assert found.to_pull("x") == ["a.test/x:latest"]
    drop_in.write_text('unqualified-search-registries = ["longer.test"]\n')
    assert found.to_pull("x") == ["longer.test/x:latest"]
    drop_in.unlink()
    assert found.to_pull("x") == ["docker.io/library/x:latest"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("me/app", "docker.io/me/app:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("quay.io/a/b:c", "quay.io/a/b:c"),
        ("localhost/x", "localhost/x:latest"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
        (f"quay.io/a@{DIGEST}", f"quay.io/a@{DIGEST}"),
        (f"quay.io/a:t@{DIGEST}", f"quay.io/a:t@{DIGEST}"),
        ("nick:1", "q.test/some/nick:1"),
        (f"nick@{DIGEST}", f"q.test/some/nick@{DIGEST}"),
    ],
)
def test_full_names(name: str, expected: str) -> None:
    assert Registries(aliases={"nick": "q.test/some/nick"}).to_pull(name) == [expected]


def test_the_mode_decides_whether_several_registries_are_asked() -> None:
    two = Registries(search=("a.test", "b.test"))
    with pytest.raises(AmbiguousNameError, match="short name mode is enforcing, but image name x returns ambiguous"):
        two.to_pull("x")
    for mode in ("permissive", "disabled"):
        assert two.to_pull("x", mode) == ["a.test/x:latest", "b.test/x:latest"]
        assert Registries(search=two.search, mode=mode).to_pull("x") == ["a.test/x:latest", "b.test/x:latest"]
    with pytest.raises(AmbiguousNameError):  # the runtime's own setting wins over the file's
        Registries(search=two.search, mode="disabled").to_pull("x", "enforcing")
    assert two.to_pull("c.test/x") == ["c.test/x:latest"]


def test_local_images_are_looked_up_as_podman_does() -> None:
    known = Registries(search=("quay.io",), aliases={"nick": "q.test/nick"})
    assert known.local("nick:1") == ["q.test/nick:1", "localhost/nick:1", "quay.io/nick:1", "docker.io/library/nick:1"]
    assert known.local("docker.io/x") == ["docker.io/library/x:latest"]


def test_insecure_registries_are_hosts_with_or_without_port_and_ranges() -> None:
    entries = ("a.test", "b.test:5000", "10.96.0.0/12", "fd00::/8", "no/range")
    listed = ["a.test", "a.test:1", "b.test:5000", "10.96.3.4:5000", "10.96.3.4", "[fd00::1]:5000"]
    assert [r for r in listed if not registries_conf.is_listed(r, entries)] == []
    assert not any(registries_conf.is_listed(r, entries) for r in ("b.test", "b.test:1", "10.1.1.1", "x.a.test"))
