"""Do the programs know what `--extra-config` wants of them? Asked before they run, for they would only end again."""

import os
import re
import shutil
import subprocess

from minikube_py import extra_config
from minikube_py.programs import PROGRAMS, command_line
from minikube_py.reasons import USAGE, Failure
from minikube_py.steps.interface import StartContext
from minikube_py.supervisor import program_environment

_SECONDS = 60


def check_extra_config(context: StartContext) -> None:
    """Let each program that is given further flags read them.

    Raises:
        Failure: USAGE, in the program's words.
    """
    for program in PROGRAMS:
        given = extra_config.flags(context.profile.extra_config, program.name)
        words = command_line(program, context.profile)
        if not given or shutil.which(words[0]) is None:  # asked again once it is installed
            continue
        # `--help` comes last: all flags before it are read first, and it names those there are.
        answer = subprocess.run(
            [*words, "--help"],
            env={**os.environ, **program_environment(program)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if answer.returncode:
            said = answer.stderr.strip().splitlines() or ["it gave no reason"]
            line = next((one for one in said if "rror" in one or "invalid" in one or "not defined" in one), said[-1])
            raise Failure(USAGE, f"--extra-config: {program.name} refuses its flags: {line}")
        for flag in given:
            name = flag.partition("=")[0]
            if not re.search(rf"{re.escape(name)}(?![\w-])", answer.stdout + answer.stderr):
                raise Failure(USAGE, f"--extra-config: {program.name} has no flag {name}")
