"""Makes the gRPC stubs that stand beside each ``.proto`` file.

Talks to: ``protoc`` out of the PyPI package ``grpcio-tools`` (group ``generate``), nothing else. Promises: the same
``.proto`` gives the same stubs, importable as ``protocols.<name>.api_pb2`` from the top of the tree. Run it as
``python -m protocols.generate`` after a change of a ``.proto``; the result is committed, so that users need no protoc.
"""

import pathlib

from grpc_tools import protoc

PROTOCOLS = pathlib.Path(__file__).resolve().parent
TOP = PROTOCOLS.parent


def generate(proto: pathlib.Path) -> None:
    """Write ``*_pb2.py``, ``*_pb2.pyi`` and ``*_pb2_grpc.py`` beside ``proto``.

    The include path is the top of the tree, so protoc itself writes the absolute import ``protocols.cri``.
    """
    arguments = [
        "protoc",
        f"--proto_path={TOP}",
        f"--python_out={TOP}",
        f"--pyi_out={TOP}",
        f"--grpc_python_out={TOP}",
        str(proto.relative_to(TOP)),
    ]
    code = protoc.main(arguments)
    if code != 0:
        raise RuntimeError(f"protoc failed on {proto} with exit code {code}")


def main() -> None:
    """Generate the stubs of every ``.proto`` below this package."""
    for proto in sorted(PROTOCOLS.glob("*/*.proto")):
        generate(proto)


if __name__ == "__main__":
    main()
