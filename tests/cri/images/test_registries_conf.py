import pathlib

from cri.images import registries_conf


def test_drop_ins_are_merged_and_damaged_ones_skipped(tmp_path: pathlib.Path) -> None:
    main = tmp_path / "registries.conf"
    main.write_text('unqualified-search-registries = ["a.test"]\n[[registry]]\nlocation = "b.test"\ninsecure = true\n')
    folder = tmp_path / "registries.conf.d"
    folder.mkdir()
    (folder / "1.conf").write_text('[aliases]\n"box" = "c.test/box"\n')
    (folder / "2.conf").write_text("not toml [")
    (folder / "3.conf").write_text('unqualified-search-registries = ["d.test", "e.test"]\n')
    found = registries_conf.load(str(main))
    assert found.search == ("d.test", "e.test")
    assert found.full_names("box") == ["c.test/box"]
    assert found.full_names("x") == ["d.test/x", "e.test/x"]
    assert found.insecure == {"b.test"}


def test_no_file_means_docker_hub(tmp_path: pathlib.Path) -> None:
    assert registries_conf.load(str(tmp_path / "none")).full_names("x") == ["docker.io/x"]
