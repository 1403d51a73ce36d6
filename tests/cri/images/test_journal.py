import pathlib

from cri.images.journal import Journal


def test_an_entry_stays_until_the_disk_has_the_pull(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    assert journal.open_entries() == []
    one, two = journal.begin(), journal.begin()
    assert journal.open_entries() == sorted([one, two])
    assert journal.lost_since() is None  # this boot has not ended
    journal.settle(one)
    assert journal.open_entries() == [two]


def test_the_oldest_entry_from_before_a_reboot_counts(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path)
    journal.begin()
    directory = tmp_path / "unsynced-pulls"
    (directory / "2000-aa").write_text("another boot")
    (directory / "1000-bb").write_text("")  # cut off with the power
    (directory / "strange").write_text("another boot")
    assert journal.lost_since() == 1000.0
