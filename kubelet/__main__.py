"""`python -m kubelet`: the node agent."""

from __future__ import annotations

from component.flags import parse
from component.program import run
from kubelet.kubelet import main
from kubelet.options import Options

if __name__ == "__main__":
    run("kubelet", main, parse(Options, None, prog="kubelet", description="Runs the pods of one node."))
