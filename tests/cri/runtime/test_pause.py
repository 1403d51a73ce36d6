import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cri import errors
from cri.runtime import pause


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_it_is_a_small_elf_program(machine: str, number: int) -> None:
    program = pause.executable(machine)
    assert program[:4] == b"\x7fELF"
    assert int.from_bytes(program[18:20], "little") == number
    assert len(program) < 512


def test_other_machines_are_told() -> None:
    with pytest.raises(errors.Unimplemented, match="vax"):
        pause.executable("vax")


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="no program for this machine")
def test_it_sleeps_and_reaps(tmp_path: Path) -> None:
    path = tmp_path / "pause"
    path.write_bytes(pause.executable(os.uname().machine))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    try:
        time.sleep(0.1)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        assert status["State"].startswith("S")
        assert int(status["SigIgn"], 16) >> (signal.SIGCHLD - 1) & 1
    finally:
        process.kill()
        process.wait()
