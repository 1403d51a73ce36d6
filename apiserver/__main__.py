"""`python -m apiserver`: the Kubernetes API on etcd."""

from __future__ import annotations

from apiserver.options import Options
from apiserver.server import serve
from component.flags import parse
from component.program import run

if __name__ == "__main__":
    run("apiserver", serve, parse(Options, None, prog="apiserver", description=__doc__ or ""))
