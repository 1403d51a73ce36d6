"""`minikube-py logs`."""

import os
import time
from collections import deque
from pathlib import Path
from typing import TextIO

import click

from minikube_py import profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.programs import PROGRAMS

_POLL_SECONDS = 0.2
_PROBLEM_WORDS = ("error", "warning", "fatal", "traceback", "panic")


@click.command
@profile_option
@click.option("-f", "--follow", is_flag=True, help="Show new lines as they come.")
@click.option("-n", "--length", type=click.IntRange(0), default=60, show_default=True, help="Lines of each program.")
@click.option("--problems", is_flag=True, help="Only lines that look like trouble.")
@click.option("--program", type=click.Choice([row.name for row in PROGRAMS]), multiple=True, help="Only this one.")
@click.option("--file", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead.")
def command(
    profile_name: str, length: int, program: tuple[str, ...], target: Path | None, *, follow: bool, problems: bool
) -> None:
    """Show what the cluster's programs log.

    \b
    minikube-py logs --problems
    minikube-py logs --program kubelet -f
    """
    profile = profiles.load(profile_name)
    console = Console()
    files = {row.name: profile.logs / f"{row.name}.log" for row in PROGRAMS if not program or row.name in program}
    lines: list[str] = []
    open_files: dict[str, TextIO] = {}
    for name, path in files.items():
        if not path.exists():
            continue
        opened: TextIO = path.open(errors="replace")
        open_files[name] = opened
        lines.append(f"==> {name} <==")
        lines.extend(deque((line.rstrip("\n") for line in opened if _wanted(line, problems=problems)), maxlen=length))
    if target is not None:
        target.write_text("\n".join(lines) + "\n")
        return
    console.out("\n".join(lines))
    while follow:
        time.sleep(_POLL_SECONDS)
        for name, opened in open_files.items():
            for line in opened.readlines():
                if _wanted(line, problems=problems):
                    console.out(f"{name}: {line.rstrip()}")
            path = files[name]
            if path.exists() and os.fstat(opened.fileno()).st_ino != path.stat().st_ino:  # rotated
                open_files[name] = path.open(errors="replace")
                opened.close()
                break


def _wanted(line: str, *, problems: bool) -> bool:
    return not problems or any(word in line.lower() for word in _PROBLEM_WORDS)
