"""Command-line flags from a dataclass: one field, one flag, with upstream's names.

    @dataclass(frozen=True, slots=True)
    class Options:
        secure_port: int = flag(6443, help="The port to serve HTTPS on.")

    options = parse(Options, argv, prog="apiserver", description="…")

A field `secure_port` is `--secure-port`. Booleans take `--x`, `--x=true` and `--x=false`; tuples take comma lists and
may be repeated; `Duration` takes `10s`, `1m30s` or bare seconds. Underscores in names are accepted, as upstream does.
"""

import argparse
import dataclasses
import re
import typing
from collections.abc import Callable, Sequence
from typing import Any, NewType, TypeVar

Duration = NewType("Duration", float)

_T = TypeVar("_T")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_TRUE = {"true", "t", "1", "yes"}
_FALSE = {"false", "f", "0", "no"}


def flag(default: Any, *, help: str, name: str = "", choices: Sequence[str] | None = None) -> Any:  # noqa: A002 - argparse's word
    """A dataclass field that is a flag.

    Args:
        default: Its value when it is not given. A list or dict is not allowed; use a tuple.
        help: What it does, for `--help`.
        name: The flag's name without dashes, where it is not the field's.
        choices: The values that are allowed.
    """
    return dataclasses.field(default=default, metadata={"help": help, "name": name, "choices": choices})


def parse_duration(text: str) -> Duration:
    """Seconds of a Go duration (`1m30s`), or of a bare number.

    Raises:
        ValueError: if it is neither.
    """
    text = text.strip()
    try:
        return Duration(float(text))
    except ValueError:
        pass
    sign = -1.0 if text.startswith("-") else 1.0
    body = text.lstrip("+-")
    parts = _DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"invalid duration {text!r}")
    return Duration(sign * sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_bool(text: str) -> bool:
    """A boolean in Go's spelling.

    Raises:
        ValueError: if it is none.
    """
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError(f"invalid boolean {text!r}")


def _told(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """A converter whose words reach the person; argparse shows those of this exception only."""

    def converter(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return converter


def _converter(kind: Any) -> Callable[[str], Any]:
    if kind is Duration:
        return _told(parse_duration)
    if kind is bool:
        return _told(parse_bool)
    if kind in (int, float, str):
        converter: Callable[[str], Any] = kind
        return converter
    raise TypeError(f"flags can't be of type {kind!r}")


class _Collect(argparse.Action):
    """A comma list that may be repeated; the first use replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        seen: set[str] = getattr(namespace, "_seen", set())
        before = getattr(namespace, self.dest) if self.dest in seen else ()
        try:
            parts = tuple(self.converter(part.strip()) for part in str(values).split(",") if part.strip())
        except (ValueError, argparse.ArgumentTypeError) as error:
            parser.error(f"argument {option_string}: {error}")
        setattr(namespace, self.dest, (*before, *parts))
        seen.add(self.dest)
        namespace._seen = seen  # noqa: SLF001 - argparse's own way to keep state between actions

    converter: Callable[[str], Any] = str


def parse(options: type[_T], argv: Sequence[str] | None, *, prog: str, description: str) -> _T:
    """Parse a command line.

    Args:
        options: A dataclass whose fields are made with `flag`.
        argv: The words after the program's name; None for those of the process.
        prog: The program's name in messages.
        description: What the program is, shown by `--help`.

    Returns:
        An instance of `options`. A wrong flag is told on standard error and ends with exit code 2 (SystemExit).
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=description, allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    kinds = typing.get_type_hints(options)
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        _add(parser, field, kinds[field.name])
    words = [_dashed(word) for word in argv] if argv is not None else None
    values = vars(parser.parse_args(words))
    values.pop("_seen", None)
    return options(**values)


def _dashed(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def _add(parser: argparse.ArgumentParser, field: "dataclasses.Field[Any]", kind: Any) -> None:
    name = "--" + (field.metadata.get("name") or field.name.replace("_", "-"))
    shared: dict[str, Any] = {"dest": field.name, "default": field.default, "help": _escaped(field.metadata["help"])}
    if typing.get_origin(kind) is tuple:
        converter = _converter(typing.get_args(kind)[0])
        action = type("Collect", (_Collect,), {"converter": staticmethod(converter)})
        parser.add_argument(name, action=action, metavar="LIST", **shared)
    elif kind is bool:
        parser.add_argument(name, type=_converter(bool), nargs="?", const=True, metavar="BOOL", **shared)
    else:
        parser.add_argument(
            name,
            type=_converter(kind),
            choices=field.metadata.get("choices"),
            metavar=None
            if field.metadata.get("choices")
            else "DURATION"
            if kind is Duration
            else kind.__name__.upper(),
            **shared,
        )


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
