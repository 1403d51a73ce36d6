"""The table of critest's specs names tests that are there, for both OCI runtimes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.cri.live import critest

LIVE = Path(__file__).parent / "live"
NAMED = sorted({name for specs in critest.SCENARIOS.values() for names in specs.values() for name in names})


def functions(module: str) -> dict[str, list[str]]:
    """The functions of a test module with the names of their arguments."""
    tree = ast.parse((LIVE / f"test_{module}.py").read_text())
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: [argument.arg for argument in node.args.args] for node in found}


@pytest.mark.parametrize("name", NAMED)
def test_a_scenario_runs_with_every_runtime(name: str) -> None:
    module, _, test = name.partition("::")
    arguments = functions(module)[f"test_{test}"]
    assert {"service", "own_service"} & set(arguments)
