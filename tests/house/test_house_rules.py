"""The rules of the house that can be checked by looking at the tree."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent.parent
PACKAGES = [
    "component",
    "protocols",
    "linux",
    "apimachinery",
    "cni",
    "apiserver",
    "controllers",
    "scheduler",
    "kubelet",
    "proxy",
    "cri",
    "addons",
    "minikube_py",
    "e2e",
]
MOST_LINES = 600
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager"}


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=TREE, capture_output=True, text=True, check=True
    ).stdout.split()
    return [
        TREE / name
        for name in listed
        if name.split("/")[0] in PACKAGES and "_pb2" not in name and (TREE / name).exists()
    ]


def product() -> list[Path]:
    return [path for path in sources() if "e2e/tests" not in str(path)]


def test_no_file_is_longer_than_six_hundred_lines():
    assert {
        str(path.relative_to(TREE)): n for path in product() if (n := len(path.read_text().splitlines())) > MOST_LINES
    } == {}


def test_files_are_named_for_what_they_are():
    assert [str(path.relative_to(TREE)) for path in product() if path.stem in BANNED_NAMES] == []


def test_init_files_are_empty():
    assert [
        str(path.relative_to(TREE)) for path in product() if path.name == "__init__.py" and path.read_text().strip()
    ] == []


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(TREE))
        for path in product()
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_nothing_is_left_to_be_done_later():
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError\(\"?(later|stub)")
    assert [str(path.relative_to(TREE)) for path in product() if marks.search(path.read_text())] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_on_a_floor(package):
    assert re.search(rf"\b{package}\b", (TREE / ".importlinter").read_text())


def test_paths_named_in_architecture_exist():
    text = (TREE / "ARCHITECTURE.md").read_text()
    named = set(re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w/.-]+)`", text))
    assert named
    assert sorted(name for name in named if not (TREE / name).exists()) == []


def test_commands_named_in_the_readme_exist():
    from minikube_py.cli import COMMANDS

    text = (TREE / "README.md").read_text()
    named = set(re.findall(r"minikube-py ([a-z][a-z-]+)", text))
    assert named
    assert sorted(named - set(COMMANDS)) == []
