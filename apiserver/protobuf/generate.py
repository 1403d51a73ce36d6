"""Makes `messages.tsv`: protobuf field numbers of all API types, read off the kubectl binary of our own dependency.

    python -m apiserver.protobuf.generate .venv/bin/kubectl

Go keeps each struct's field tags (`json:"…" protobuf:"…"`) in the type data of its binaries. Layout facts: Go's
internal/abi package (Type, StructType, Name, UncommonType) and runtime.moduledata.
"""

from __future__ import annotations

import re
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

_PTR, _SLICE, _MAP, _STRUCT, _STRING, _BOOL = 22, 23, 21, 25, 24, 1
_INTEGERS = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
_FLOATS = {13, 14}
_UINT8 = 8
_TYPES_WORD = 37  # the index of moduledata.types, checked below
_PREFIXES = ("k8s.io/api/", "k8s.io/apimachinery/pkg/apis/")
_SPECIAL = {
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "T",
    "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "U",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "D",
    "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "R",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "Q",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "I",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "R",
}
_ROOT = re.compile(r"^(k8s\.io/api/[a-z]+/v\d+|k8s\.io/apimachinery/pkg/apis/meta/v1)\.([A-Z]\w+)$")


@dataclass(slots=True)
class GoType:
    """One type of the binary."""

    kind: int
    name: str
    element: int = 0
    fields: list[tuple[str, str, int]] = field(default_factory=list)


class GoBinary:
    """Reads the type data of a 64-bit, non-PIE Go executable."""

    def __init__(self, path: str) -> None:
        self._data = Path(path).read_bytes()
        self._sections = self._read_sections()
        words = self._section(".go.module")
        self._base = struct.unpack_from("<Q", words, _TYPES_WORD * 8)[0]
        if self._base != self._sections[".rodata"][0]:
            raise ValueError("this Go version lays out moduledata differently")
        self.types: dict[int, GoType] = {}

    def _read_sections(self) -> dict[str, tuple[int, int, int]]:
        data = self._data
        offset = struct.unpack_from("<Q", data, 40)[0]
        size, count, names = struct.unpack_from("<HHH", data, 58)
        rows = [struct.unpack_from("<IIQQQQ", data, offset + index * size) for index in range(count)]
        texts = rows[names][4]
        found = {}
        for row in rows:
            start = texts + row[0]
            found[data[start : data.index(b"\0", start)].decode()] = (row[3], row[4], row[5])
        return found

    def _section(self, name: str) -> bytes:
        _, offset, size = self._sections[name]
        return self._data[offset : offset + size]

    def _offset(self, address: int) -> int:
        for start, offset, size in self._sections.values():
            if start and start <= address < start + size:
                return offset + address - start
        raise KeyError(hex(address))

    def _word(self, address: int) -> int:
        return int(struct.unpack_from("<Q", self._data, self._offset(address))[0])

    def _name(self, address: int) -> tuple[str, str]:
        at = self._offset(address)
        tagged = self._data[at] & 2
        text, at = self._text(at + 1)
        return text, self._text(at)[0] if tagged else ""

    def _text(self, at: int) -> tuple[str, int]:
        length = shift = 0
        while True:
            byte = self._data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return self._data[at : at + length].decode("utf-8", "replace"), at + length

    def _named(self, address: int, kind: int, flags: int, short: str) -> str:
        """Return the type's name with its package path."""
        if not flags & 1:
            return short
        size = {_STRUCT: 80, _PTR: 56, _SLICE: 56, _MAP: 0}.get(kind, 48)
        if not size:
            return short
        package = struct.unpack_from("<i", self._data, self._offset(address + size))[0]
        path = self._name(self._base + package)[0] if package else ""
        return f"{path}.{short.rpartition('.')[2]}" if path else short

    def read(self) -> None:
        """Read every type that can be reached."""
        links = self._section(".typelink")
        waiting = [self._base + offset for (offset,) in struct.iter_unpack("<i", links)]
        while waiting:
            address = waiting.pop()
            if address in self.types or not address:
                continue
            try:
                found = self.types[address] = self._type(address)
            except (KeyError, struct.error, IndexError):
                continue
            waiting.append(found.element)
            waiting.extend(one[2] for one in found.fields)

    def _type(self, address: int) -> GoType:
        at = self._offset(address)
        flags, kind = self._data[at + 20], self._data[at + 23] & 0x1F
        short = self._name(self._base + struct.unpack_from("<i", self._data, at + 40)[0])[0]
        found = GoType(kind, self._named(address, kind, flags, short[1:] if flags & 2 else short))
        if kind in (_PTR, _SLICE):
            found.element = self._word(address + 48)
        elif kind == _MAP:
            found.element = self._word(address + 56)
        elif kind == _STRUCT:
            first, count = self._word(address + 56), self._word(address + 64)
            for index in range(count):
                name, tag = self._name(self._word(first + 24 * index))
                found.fields.append((name, tag, self._word(first + 24 * index + 8)))
        return found


def _tag(tags: str, key: str) -> list[str]:
    match = re.search(rf'{key}:"([^"]*)"', tags)
    return match[1].split(",") if match else []


class Messages:
    """The types as messages."""

    def __init__(self, binary: GoBinary) -> None:
        self._types = binary.types

    def code(self, address: int) -> tuple[str, str]:
        """Return (code, message it refers to) of a field's type."""
        found = self._types[address]
        if found.name in _SPECIAL:
            return _SPECIAL[found.name], ""
        if found.kind == _SLICE and found.name.endswith(".ExtraValue"):
            return "X", ""
        if found.kind == _PTR:
            return self.code(found.element)
        if found.kind == _SLICE:
            if self._types[found.element].kind == _UINT8:
                return "y", ""
            inner, name = self.code(found.element)
            return "*" + inner, name
        if found.kind == _MAP:
            inner, name = self.code(found.element)
            return "%" + inner, name
        if found.kind == _STRUCT:
            return f"M{short(found.name)}", found.name
        return (
            "s" if found.kind == _STRING else "b" if found.kind == _BOOL else "f" if found.kind in _FLOATS else "i"
        ), ""

    def rows(self) -> list[str]:
        """Return one line per message that can be reached from an API kind."""
        by_name = {
            one.name: one
            for one in self._types.values()
            if one.kind == _STRUCT and any(_tag(f[1], "protobuf") for f in one.fields)
        }
        waiting = sorted(name for name in by_name if _ROOT.match(name) and not re.search(r"(alpha|beta)", name))
        made: dict[str, str] = {}
        while waiting:
            name = waiting.pop()
            if name in made or name not in by_name:
                continue
            parts = []
            for _, tags, address in by_name[name].fields:
                numbers, names = _tag(tags, "protobuf"), _tag(tags, "json")
                if len(numbers) < 2 or names[:1] == ["-"]:
                    continue
                code, referred = self.code(address)
                drop = "?" if "omitempty" in names and self._types[address].kind != _PTR else ""
                parts.append(f"{numbers[1]}:{names[0] if names else ''}:{code}{drop}")
                if referred:
                    waiting.append(referred)
            made[name] = f"{short(name)}\t{' '.join(parts)}"
        return sorted(made.values())


def short(name: str) -> str:
    """Return `core/v1.Pod` for the Go type's full name."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def main() -> None:
    """Write the table."""
    binary = GoBinary(sys.argv[1])
    binary.read()
    rows = Messages(binary).rows()
    Path(__file__).with_name("messages.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
