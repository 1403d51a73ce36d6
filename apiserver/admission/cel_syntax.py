"""CEL expressions as trees, in the library's wire format: read and rewritten (pure).

The trees are `cel.expr.ParsedExpr` and `cel.expr.CheckedExpr` of cel-spec. The messages hold only the fields that are
used here; the others pass through as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
}
# message -> fields as (name, number, type); `[]` repeats, `{}` is a map by expression id, `|` is a member of the oneof.
_MESSAGES: Final[dict[str, tuple[tuple[str, int, str], ...]]] = {
    "Constant": (
        ("null_value", 1, "|int32"),
        ("bool_value", 2, "|bool"),
        ("int64_value", 3, "|int64"),
        ("uint64_value", 4, "|uint64"),
        ("double_value", 5, "|double"),
        ("string_value", 6, "|string"),
        ("bytes_value", 7, "|bytes"),
    ),
    "Ident": (("name", 1, "string"),),
    "Select": (("operand", 1, "Expr"), ("field", 2, "string"), ("test_only", 3, "bool")),
    "Call": (("target", 1, "Expr"), ("function", 2, "string"), ("args", 3, "[]Expr")),
    "CreateList": (("elements", 1, "[]Expr"), ("optional_indices", 2, "[]int32")),
    "Entry": (
        ("field_key", 2, "|string"),
        ("map_key", 3, "|Expr"),
        ("value", 4, "Expr"),
        ("optional_entry", 5, "bool"),
    ),
    "CreateStruct": (("message_name", 1, "string"), ("entries", 2, "[]Entry")),
    "Comprehension": (
        ("iter_var", 1, "string"),
        ("iter_var2", 8, "string"),
        ("iter_range", 2, "Expr"),
        ("accu_var", 3, "string"),
        ("accu_init", 4, "Expr"),
        ("loop_condition", 5, "Expr"),
        ("loop_step", 6, "Expr"),
        ("result", 7, "Expr"),
    ),
    "Expr": (
        ("id", 2, "int64"),
        ("const_expr", 3, "|Constant"),
        ("ident_expr", 4, "|Ident"),
        ("select_expr", 5, "|Select"),
        ("call_expr", 6, "|Call"),
        ("list_expr", 7, "|CreateList"),
        ("struct_expr", 8, "|CreateStruct"),
        ("comprehension_expr", 9, "|Comprehension"),
    ),
    "ParsedExpr": (("expr", 2, "Expr"),),
    "Reference": (("name", 1, "string"), ("overload_id", 3, "[]string")),
    "ListType": (("elem_type", 1, "Type"),),
    "MapType": (("key_type", 1, "Type"), ("value_type", 2, "Type")),
    "AbstractType": (("name", 1, "string"), ("parameter_types", 2, "[]Type")),
    "Type": (
        ("primitive", 3, "|int32"),
        ("well_known", 5, "|int32"),
        ("list_type", 6, "|ListType"),
        ("map_type", 7, "|MapType"),
        ("message_type", 9, "|string"),
        ("abstract_type", 14, "|AbstractType"),
    ),
    "CheckedExpr": (("reference_map", 2, "{}Reference"), ("type_map", 3, "{}Type"), ("expr", 4, "Expr")),
}
_PREFIX: Final = "type.googleapis.com/cel.expr."


def _field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    plain = kind.lstrip("|[]{}")
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind.startswith("|"):
        field.oneof_index = 0
        if not message.oneof_decl:
            message.oneof_decl.add(name="kind")
    if kind.startswith("{}"):
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _field(entry, "key", 1, "int64")
        _field(entry, "value", 2, plain)
        plain = f"{message.name}.{entry.name}"
    if kind[0] in "[{":
        field.label = _Field.LABEL_REPEATED
    if plain in _SCALARS:
        field.type = _SCALARS[plain]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".cel.expr.{plain}"


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="cel/expr/used.proto", package="cel.expr", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _field(message, *field)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"cel.expr.{name}"))
        for name in ("ParsedExpr", "CheckedExpr", "Expr")
    }


_CLASSES: Final = _classes()


def read(serialized: bytes) -> Any:
    """Return the tree of what `Expression.serialize` wrote: a ParsedExpr or a CheckedExpr."""
    outer = AnyMessage.FromString(serialized)
    return _CLASSES[outer.type_url.removeprefix(_PREFIX)].FromString(outer.value)


def written(tree: Any) -> bytes:
    """Return what `Env.deserialize` reads."""
    outer = AnyMessage(type_url=_PREFIX + tree.DESCRIPTOR.name, value=tree.SerializeToString())
    return outer.SerializeToString()


def children(expr: Any) -> list[Any]:
    """Return the expressions directly inside one."""
    kind = expr.WhichOneof("kind")
    if kind == "select_expr":
        return [expr.select_expr.operand]
    if kind == "call_expr":
        call = expr.call_expr
        return [*([call.target] if call.HasField("target") else []), *call.args]
    if kind == "list_expr":
        return list(expr.list_expr.elements)
    if kind == "struct_expr":
        entries = expr.struct_expr.entries
        return [part for one in entries for part in ([one.map_key] if one.HasField("map_key") else []) + [one.value]]
    if kind == "comprehension_expr":
        loop = expr.comprehension_expr
        return [loop.iter_range, loop.accu_init, loop.loop_condition, loop.loop_step, loop.result]
    return []


def walk(expr: Any) -> Iterator[Any]:
    """Yield an expression and all inside it."""
    waiting = [expr]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += children(one)


def inside_out(expr: Any) -> list[Any]:
    """Return all expressions, those inside before those around them: what is changed may be copied later."""
    return list(walk(expr))[::-1]


def names(expr: Any) -> set[str]:
    """Return the variables an expression refers to; those of its comprehensions are none."""
    kind = expr.WhichOneof("kind")
    if kind == "ident_expr":
        return {expr.ident_expr.name}
    if kind != "comprehension_expr":
        return set().union(*(names(part) for part in children(expr)))
    loop = expr.comprehension_expr
    accu = {loop.accu_var}
    bound = accu | {loop.iter_var, loop.iter_var2}
    inside = names(loop.loop_condition) | names(loop.loop_step)
    return names(loop.iter_range) | names(loop.accu_init) | (inside - bound) | (names(loop.result) - accu)


def dotted(expr: Any) -> str:
    """Return `a.b` for the name of a function in a namespace, "" for any other receiver."""
    if expr.WhichOneof("kind") == "ident_expr":
        return str(expr.ident_expr.name)
    if expr.WhichOneof("kind") == "select_expr":
        before = dotted(expr.select_expr.operand)
        return f"{before}.{expr.select_expr.field}" if before else ""
    return ""


def structs_to_maps(expr: Any, is_ours: Callable[[str], bool]) -> bool:
    """Turn messages of the types that `is_ours` knows into maps, in place; tells whether there were any."""
    changed = False
    for one in walk(expr):
        if one.WhichOneof("kind") != "struct_expr" or not is_ours(one.struct_expr.message_name):
            continue
        one.struct_expr.message_name = ""
        for entry in one.struct_expr.entries:
            entry.map_key.const_expr.string_value = entry.field_key
        changed = True
    return changed


def calls(expr: Any) -> Iterator[tuple[Any, str]]:
    """Yield the calls, inner ones first, and what they call: `f`, or `a.f` where the receiver may be a namespace."""
    for one in inside_out(expr):
        if one.WhichOneof("kind") == "call_expr":
            call = one.call_expr
            space = dotted(call.target) if call.HasField("target") else ""
            yield one, f"{space}.{call.function}" if space else call.function


def maps_from_entries(expr: Any, function: str) -> None:
    """Gather the entries of a comprehension that makes a map in a list, in place; `function` makes the map of them.

    The library's runtime has no function that puts an entry into a map.
    """
    for one in inside_out(expr):
        if one.WhichOneof("kind") != "comprehension_expr":
            continue
        loop = one.comprehension_expr
        steps = [loop.loop_step, *loop.loop_step.call_expr.args]
        inserts = [step for step in steps if step.call_expr.function == "cel.@mapInsert"]
        if not inserts:
            continue
        for call in inserts:
            _, *entry = [_copy(part) for part in call.call_expr.args]
            pair = _CLASSES["Expr"](id=call.id + (2 << 32))
            pair.list_expr.elements.extend(entry)
            added = _CLASSES["Expr"](id=call.id + (3 << 32))
            added.list_expr.elements.append(pair)
            call.call_expr.function = "_+_"
            del call.call_expr.args[1:]
            call.call_expr.args.append(added)
        loop.accu_init.list_expr.SetInParent()
        result = _copy(loop.result)
        loop.result.Clear()
        loop.result.id = result.id + (1 << 32)
        loop.result.call_expr.function = function
        loop.result.call_expr.args.append(result)


def _copy(expr: Any) -> Any:
    out = _CLASSES["Expr"]()
    out.CopyFrom(expr)
    return out


def to_optional(expr: Any) -> None:
    """Put `.first()` behind an expression, in place: a list of none or one becomes an optional."""
    inner = _copy(expr)
    expr.Clear()
    # Ids only have to differ.
    expr.id = inner.id + (1 << 32)
    expr.call_expr.function = "first"
    expr.call_expr.target.CopyFrom(inner)


def parsed(expr: Any) -> Any:
    """Return an expression as a tree of its own."""
    tree = _CLASSES["ParsedExpr"]()
    tree.expr.CopyFrom(expr)
    return tree


def quantifier(loop: Any) -> str:
    """Return which macro a comprehension was written as: all, exists, exists_one, or "" for others."""
    start, step = loop.accu_init.const_expr, loop.loop_step.call_expr
    if step.function == "_&&_" and start.bool_value and start.WhichOneof("kind") == "bool_value":
        return "all"
    if step.function == "_||_" and start.WhichOneof("kind") == "bool_value" and not start.bool_value:
        return "exists"
    counts = start.WhichOneof("kind") == "int64_value" and loop.result.call_expr.function == "_==_"
    return "exists_one" if counts and step.function == "_?_:_" else ""


def over(expr: Any, variable: str, *, counts: bool) -> Any:
    """Return a comprehension that goes over a variable instead, and counts instead of comparing the count with one."""
    out = _copy(expr)
    loop = out.comprehension_expr
    at = loop.iter_range.id
    loop.iter_range.Clear()
    loop.iter_range.id = at
    loop.iter_range.ident_expr.name = variable
    if counts:
        loop.result.CopyFrom(_copy(loop.result.call_expr.args[0]))
    # It is an expression of its own.
    out.id = expr.id + (4 << 32)
    return out
