"""The default AppArmor profile names itself and what it denies."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cri.oci_spec import security_labels
from cri.runtime import apparmor_profile


def test_a_profile_lets_its_own_processes_meet_and_denies_mounts() -> None:
    text = apparmor_profile.text("some-name")
    assert text.startswith("profile some-name flags=(attach_disconnected, mediate_deleted) {\n")
    assert "  signal (send, receive) peer=some-name,\n" in text
    assert "  deny mount,\n" in text
    assert security_labels.DEFAULT_APPARMOR in apparmor_profile.text()


def test_the_parser_understands_it(tmp_path: Path) -> None:
    parser = shutil.which("apparmor_parser")
    if parser is None:
        pytest.skip("apparmor_parser is not installed")
    profile = tmp_path / "profile"
    profile.write_text(apparmor_profile.text())
    subprocess.run([parser, "--skip-kernel-load", "--skip-cache", "--skip-read-cache", profile], check=True)
