"""Writes the plugins as executables: `cni install DIR`.

Each is a few lines for the interpreter, and all read one file of compiled modules beside them (cni/start.py), so they
are a copy: to be installed again when the project has changed, and not disturbed when it goes.
"""

import __future__

import ast
import marshal
import os
import struct
import sys
from types import CodeType

from cni.plugins import registry
from linux.files import atomic_write

_MODULES = ".minikube-py-cni"
_ROOTS = ("cni", "linux", "struct")
_SCRIPT = """#!{python} -ISEB
# The CNI plugin {kind} of minikube-py: written by `minikube-py cni install`.
import marshal
file = open({modules!r}, "rb", 0)
head = int.from_bytes(file.read(4), "little")
start, index = marshal.loads(file.read(head))
scope = {{}}
exec(start, scope)
scope["main"]({kind!r}, index, file.fileno(), 4 + head)
"""


def install(directory: str) -> int:
    """Write an executable for each plugin, and beside them the file of compiled modules that they all read."""
    directory = os.path.abspath(directory)
    os.makedirs(directory, exist_ok=True)
    modules = f"{directory}/{_MODULES}.{sys.implementation.cache_tag}"
    atomic_write(modules, _compiled(), 0o644)
    # The system's interpreter starts faster than one that was built at home; only the same version reads the file.
    system = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    python = system if os.access(system, os.X_OK) else os.path.realpath(sys.executable)
    for kind in registry.PLUGINS:
        path = f"{directory}/{kind}"
        atomic_write(path, _SCRIPT.format(python=python, kind=kind, modules=modules).encode(), 0o755)
        sys.stdout.write(f"{path}\n")
    return 0


def _compiled() -> bytes:
    """Every module that a plugin may import from this project, behind a head that says where each one's code is.

    And Python's struct, which is a line long. The statement that postpones annotations becomes the compiler's flag: it
    would import a module for nothing.
    """
    tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found: dict[str, tuple[bool, CodeType]] = {}
    wanted = ["struct", "cni.start", "cni.skel", "cni.plugins.dhcp.daemon", *registry.PLUGINS.values()]
    while wanted:
        name = wanted.pop()
        path = f"{tree}/{name.replace('.', '/')}"
        package = os.path.isdir(path)
        source = struct.__file__ if name == "struct" else f"{path}/__init__.py" if package else f"{path}.py"
        if name in found or not os.path.isfile(source):
            continue  # what looks like a module's name is that of something in it
        with open(source, "rb") as file:
            code = ast.parse(file.read())
        for node in ast.walk(code):
            if isinstance(node, ast.Import):
                wanted += [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                wanted += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        wanted = [one for one in {name.rpartition(".")[0], *wanted} if one.partition(".")[0] in _ROOTS]
        code.body = [one for one in code.body if not (isinstance(one, ast.ImportFrom) and one.module == "__future__")]
        flags = __future__.annotations.compiler_flag
        found[name] = package, compile(code, source, "exec", flags, dont_inherit=True)
    return _packed(found)


def _packed(modules: dict[str, tuple[bool, CodeType]]) -> bytes:
    start = modules.pop("cni.start")[1]
    index, codes = {}, b""
    for name, (package, code) in sorted(modules.items()):
        packed = marshal.dumps(code)
        index[name] = package, len(codes), len(packed)
        codes += packed
    head = marshal.dumps((start, index))
    return len(head).to_bytes(4, "little") + head + codes
