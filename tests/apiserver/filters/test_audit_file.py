import gzip

from apiserver.filters.audit_file import AuditFile, Rotation
from component.clock import FakeClock

LINE = b"x" * 99 + b"\n"


def kept(path):
    return sorted(one.name for one in path.iterdir())


def test_a_full_file_is_put_away_and_the_oldest_go(tmp_path):
    clock = FakeClock()
    log = AuditFile(str(tmp_path / "audit.log"), Rotation(most_bytes=250, most_files=2), clock)
    for _ in range(9):
        log.write(LINE)
        clock.advance(1)
    log.close()
    names = kept(tmp_path)
    assert len(names) == 3
    assert names[-1] == "audit.log"
    assert all(name.startswith("audit-") and name.endswith(".log") for name in names[:-1])
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / names[0]).read_bytes() == LINE * 2


def test_old_files_may_be_compressed(tmp_path):
    log = AuditFile(str(tmp_path / "a" / "audit.log"), Rotation(most_bytes=150, compress=True), FakeClock())
    log.write(LINE)
    log.write(LINE)
    log.close()
    old = next((tmp_path / "a").glob("*.gz"))
    assert gzip.decompress(old.read_bytes()) == LINE


def test_without_a_limit_nothing_is_put_away(tmp_path):
    log = AuditFile(str(tmp_path / "audit.log"), Rotation(), FakeClock())
    for _ in range(20):
        log.write(LINE)
    log.close()
    assert kept(tmp_path) == ["audit.log"]
