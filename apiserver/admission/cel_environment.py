"""The CEL library (Google's cel-cpp) and what Kubernetes' CEL has in it: extensions, functions, types.

There are two kinds of environment. The one that evaluates has no types: what it is given are JSON values, and values
CEL doesn't know are maps. The ones that check have the types of the variables, so that an expression that can't work
is refused when it is written. Loaded on first use: 15 ms, 9 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from apiserver.admission import cel_authorizer, cel_functions
from apiserver.admission.cel_types import Function, as_value

EXTENSIONS: Final = (
    "optional", "strings", "math", "lists", "sets", "encoders", "bindings", "two-var-comprehensions"
)  # fmt: skip
_ORDERS: Final = ("_<_", "_<=_", "_>_", "_>=_")
_ORDERED: Final = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_NUMBERS: Final = ("int", "uint", "double")
_SIGNATURE: Final = re.compile(r"(.+)\.(\w+)\((.*)\)->(.+)")
_OURS: Final = re.compile(r"(?:kubernetes|net)\.[\w.]+")
FUNCTIONS: Final[tuple[Function, ...]] = (*cel_functions.FUNCTIONS, *cel_authorizer.FUNCTIONS)
_NATIVE: Final = """
    all base64.decode base64.encode bool bytes charAt contains distinct double duration dyn endsWith exists exists_one
    existsOne filter first flatten format getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours
    getMilliseconds getMinutes getMonth getSeconds hasValue indexOf int join last lastIndexOf lists.range lowerAscii map
    matches math.abs math.bitAnd math.bitNot math.bitOr math.bitShiftLeft math.bitShiftRight math.bitXor math.ceil
    math.floor math.greatest math.isFinite math.isInf math.isNaN math.least math.round math.sign math.sqrt math.trunc
    math.@max math.@min optional.none optional.of optional.ofNonZeroValue optFlatMap optMap or orValue quote replace
    reverse sets.contains sets.equivalent sets.intersects size slice sort sortBy split startsWith string strings.quote
    substring timestamp trim type uint unwrap unwrapOpt upperAscii value
"""
FUNCTION_NAMES: Final = frozenset({*_NATIVE.split(), *(function.name for function in FUNCTIONS)})
TYPE_NAMES: Final = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"})
OPTIONAL_RESULTS: Final = frozenset(f.name for f in FUNCTIONS if f.result.startswith("optional_type"))
"""Functions whose result has to be made optional in the tree."""


@lru_cache(maxsize=1)
def native() -> Any:
    """Load the library."""
    from cel_expr_python import cel

    return cel


def _configuration(extensions: Iterable[str], without: Iterable[str] = ()) -> Any:
    text = "extensions:\n" + "".join(f"- name: {name}\n" for name in extensions)
    excluded = "".join(f"  - name: {name}\n" for name in without)
    if excluded:
        text += f"stdlib:\n  exclude_functions:\n{excluded}"
    return native().NewEnvConfigFromYaml(text)


def type_of(name: str) -> Any:
    """Return the library's type for its spelling."""
    types = native().Type
    if name.startswith("optional_type"):
        # An optional that is declared is not the optional of its own functions.
        return types.DYN
    return types("null_type" if name == "null" else name)


def _declared(functions: Iterable[Function], *, run: bool) -> list[Any]:
    cel = native()
    by_name: dict[str, list[Any]] = {}
    for function in functions:
        overload = cel.Overload(
            "_".join((function.name, *(re.sub(r"\W+", "_", one) for one in function.parameters))),
            return_type=type_of(function.result),
            parameters=[type_of(one) for one in function.parameters],
            is_member=function.member,
            **({"impl": function.run} if run else {}),
        )
        by_name.setdefault(function.name, []).append(overload)
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()]


def _untyped(name: str) -> str:
    if name.startswith("optional_type"):
        return "list<dyn>"
    name = _OURS.sub("map<dyn,dyn>", name)
    return re.sub(r"^list<.*>$", "list<dyn>", re.sub(r"^map<.*>$", "map<dyn,dyn>", name))


def _without_types() -> Iterator[Function]:
    known = set()
    for function in FUNCTIONS:
        parameters = tuple(_untyped(one) for one in function.parameters)
        key = (function.name, function.member, parameters)
        if key not in known:
            known.add(key)
            result = "dyn" if function.name in ("min", "max", "sum") else _untyped(function.result)
            yield Function(function.name, parameters, result, function.run, function.member)


# What the library has too, but can't have more overloads of: declared as a whole for checks.
_STRINGS: Final = """
    string.charAt(int)->string string.format(list<dyn>)->string string.indexOf(string)->int
    string.indexOf(string,int)->int string.lastIndexOf(string)->int string.lastIndexOf(string,int)->int
    list<dyn>.indexOf(dyn)->int list<dyn>.lastIndexOf(dyn)->int list<string>.join()->string
    list<string>.join(string)->string string.lowerAscii()->string string.upperAscii()->string
    string.replace(string,string)->string string.replace(string,string,int)->string
    string.split(string)->list<string> string.split(string,int)->list<string>
    string.substring(int)->string string.substring(int,int)->string string.trim()->string
"""
_TEXTS: Final = (*_ORDERED, cel_functions.IP_TYPE, cel_functions.CIDR_TYPE)


def _never(*_: Any) -> None:
    raise AssertionError("declared for checks only")


def _only_declared() -> Iterator[Function]:
    yield from (function for function in FUNCTIONS if not function.name.endswith("_"))
    # Numbers of unlike types have an order, but are never told equal.
    pairs = [(kind, kind) for kind in _ORDERED] + [(a, b) for a in _NUMBERS for b in _NUMBERS if a != b]
    for name in _ORDERS:
        for pair in pairs:
            yield Function(name, pair, "bool", _never)
    for kind in _TEXTS:
        yield Function("string", (kind,), "string", _never)
    yield Function("strings.quote", ("string",), "string", _never)
    for line in _STRINGS.split():
        receiver, name, others, result = _SIGNATURE.fullmatch(line).groups()  # type: ignore[union-attr] # ours
        parameters = (receiver, *(one for one in others.split(",") if one))
        yield Function(name, parameters, result, _never, member=True)


def _texts() -> Iterator[Function]:
    """Yield `string_`: the library's `string`, and the text of addresses."""
    cel = native()
    plain = cel.NewEnv(variables={"x": cel.Type.DYN}).compile("string(x)")

    def run(value: Any) -> str:
        if isinstance(value, dict):
            found = value.get(cel_functions.IP) or value.get(cel_functions.CIDR)
            if found is None:
                raise ValueError("no such overload")
            return str(found)
        return str(plain.eval(data={"x": as_value(value)}).value())

    for kind in (*_ORDERED, "map<dyn,dyn>"):
        yield Function("string_", (kind,), "string", run)


@lru_cache(maxsize=64)
def evaluating(variables: frozenset[str]) -> Any:
    """Return the environment that evaluates expressions over these variables."""
    cel = native()
    return cel.NewEnv(
        config=_configuration(EXTENSIONS),
        variables=dict.fromkeys(variables, cel.Type.DYN),
        functions=_declared((*_without_types(), *_texts()), run=True),
    )


@lru_cache(maxsize=1)
def _for_checks() -> tuple[Any, list[Any]]:
    """Return the configuration and the functions that all checking environments have."""
    extensions = (name for name in EXTENSIONS if name != "strings")
    return _configuration(extensions, (*_ORDERS, "string")), _declared(_only_declared(), run=False)


def checking(variables: Mapping[str, Any], pool: Any = None) -> Any:
    """Return an environment that checks expressions.

    Args:
        variables: their types.
        pool: descriptors of the message types among them.
    """
    configuration, functions = _for_checks()
    return native().NewEnv(descriptor_pool=pool, config=configuration, variables=dict(variables), functions=functions)


@lru_cache(maxsize=64)
def checking_untyped(variables: frozenset[str]) -> Any:
    """Return the environment that checks expressions over variables of any type."""
    types = native().Type
    declared = dict.fromkeys(variables, types.DYN)
    if "authorizer" in declared:
        declared["authorizer"] = types(cel_authorizer.AUTHORIZER)
        declared["authorizer.requestResource"] = types(cel_authorizer.RESOURCE)
    return checking(declared)
