"""`python -m e2e.conformance`: upstream's conformance specs against a cluster. See README.md beside this file."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from e2e.conformance import images, suite
from e2e.conformance.expectations import OUTDATED

_TREE = Path(__file__).resolve().parents[2]
_DEFAULT_DIRECTORY = Path.home() / ".cache/minikube-py-conformance"
_FOCUS = r"\[Conformance\]"
# These disturb each other or the node, and take long; they are run on their own.
_SKIP = r"\[Serial\]|\[Disruptive\]|\[Slow\]"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _results(log: Path) -> Iterator[tuple[bool, str]]:
    """Yield whether each spec passed, and its name."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(('{"msg":"PASSED', '{"msg":"FAILED')):
            outcome, _, name = json.loads(line)["msg"].partition(" ")
            yield outcome == "PASSED", name.strip()


def _run(made: suite.Suite, profile: str, focus: str, skip: str, log: Path) -> int:
    home = Path(os.environ.get("MINIKUBE_PY_HOME") or Path.home() / ".minikube-py")
    kubeconfig = home / "profiles" / profile / "kubeconfigs/admin.conf"
    command = [
        str(made.program("e2e.test")),
        "-ginkgo.noColor",
        f"-ginkgo.focus={focus}",
        f"-ginkgo.skip={'|'.join(word for word in (skip, *OUTDATED) if word)}",
        "-provider=skeleton",
        f"-kubeconfig={kubeconfig}",
        f"-kubectl-path={Path(sys.prefix) / 'bin/kubectl'}",
        "-dump-logs-on-failure=false",
        "-num-nodes=1",
    ]
    _say(f"Running; the log is {log}")
    with log.open("wb") as out:
        subprocess.run(command, cwd=made.sources, stdout=out, stderr=subprocess.STDOUT, check=False)
    found = list(_results(log))
    failed = [name for passed, name in found if not passed]
    for name in failed:
        _say(f"FAILED {re.sub(r'  +', ' ', name)}")
    _say(f"{len(found) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not found else 0


def main() -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m e2e.conformance", description=__doc__)
    parser.add_argument(
        "task", choices=("build", "images", "run"), help="the suite, its images in a cluster, the specs"
    )
    parser.add_argument("-p", "--profile", default="minikube", help="the cluster (it must be running)")
    parser.add_argument("--directory", type=Path, default=_DEFAULT_DIRECTORY, help="where the suite is kept (4 GB)")
    parser.add_argument("--focus", default=_FOCUS, help="a regular expression of spec names")
    parser.add_argument("--skip", default=_SKIP, help="of those, which not")
    parser.add_argument("--log", type=Path, default=Path("conformance.log"), help="where the suite's output goes")
    given = parser.parse_args()

    made = suite.Suite(given.directory.resolve())
    suite.build(made, _say)
    if given.task == "images":
        images.build(made, [str(_TREE / "minikube-py"), "-p", given.profile], _say)
    if given.task == "run":
        return _run(made, given.profile, given.focus, given.skip, given.log.resolve())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
