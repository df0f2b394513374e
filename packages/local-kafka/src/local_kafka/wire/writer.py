"""Writes responses: a mapping with the schema's field names to the bytes of a version.

A field that the version does not have is left out; one that the mapping does not have takes the schema's default. So a
handler makes one body for all versions that it serves.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_kafka.wire.schema import (
    BYTES_KINDS,
    FIXED,
    NULL_UUID,
    FieldSpec,
    fields_of,
    untagged_in_runs,
)

Buffer = bytes | bytearray | memoryview
Write = Callable[[list[Buffer], Any], None]
WriteField = Callable[[list[Buffer], Mapping[str, Any]], None]

_SMALL = tuple(bytes((value,)) for value in range(0x80))
_NO_TAGS = _SMALL[0]


def uvarint(value: int) -> bytes:
    """An unsigned varint (KIP-482)."""
    if value < 0x80:
        return _SMALL[value]
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@functools.cache
def struct_writer(message: Any) -> Write:
    """The writer of one of kio's classes: appends the pieces of a mapping to a list of buffers."""
    writers = _field_writers(fields_of(message))
    tagged = sorted((spec for spec in fields_of(message) if spec.tag is not None), key=lambda spec: spec.tag or 0)
    tag_writers = [(spec.tag or 0, spec.name, *_tag_writer(spec)) for spec in tagged]
    flexible = message.__flexible__

    def write(out: list[Buffer], value: Mapping[str, Any]) -> None:
        for write_field in writers:
            write_field(out, value)
        if tag_writers:
            _write_tags(out, value, tag_writers)
        elif flexible:
            out.append(_NO_TAGS)

    return write


def _write_tags(out: list[Buffer], value: Mapping[str, Any], writers: Sequence[tuple[int, str, Write, bytes]]) -> None:
    """Tagged fields are written only where they differ from their default."""
    present = []
    for tag, name, write, default in writers:
        if name in value:
            encoded = _encoded(write, value[name])
            if encoded != default:
                present.append((tag, encoded))
    if not present:
        out.append(_NO_TAGS)
        return
    out.append(uvarint(len(present)))
    for tag, encoded in present:
        out += (uvarint(tag), uvarint(len(encoded)), encoded)


def _tag_writer(spec: FieldSpec) -> tuple[Write, bytes]:
    write = _value_writer(spec)
    return write, _encoded(write, spec.default)


def _encoded(write: Write, value: Any) -> bytes:
    pieces: list[Buffer] = []
    write(pieces, value)
    return b"".join(pieces)


def _field_writers(specs: tuple[FieldSpec, ...]) -> list[WriteField]:
    """Writers in wire order, neighbours of a fixed size taken together."""
    return [_run_writer(run) if run[0].fixed else _field_writer(run[0]) for run in untagged_in_runs(specs)]


def _run_writer(run: list[FieldSpec]) -> WriteField:
    pack = struct.Struct(">" + "".join(FIXED[spec.kind] for spec in run)).pack
    fields = tuple((spec.name, spec.default) for spec in run)
    if len(fields) == 1:
        ((name, default),) = fields
        return lambda out, value: out.append(pack(value.get(name, default)))

    def write(out: list[Buffer], value: Mapping[str, Any]) -> None:
        get = value.get
        out.append(pack(*[get(name, default) for name, default in fields]))

    return write


def _field_writer(spec: FieldSpec) -> WriteField:
    write_value, name, default = _value_writer(spec), spec.name, spec.default

    def write(out: list[Buffer], value: Mapping[str, Any]) -> None:
        write_value(out, value.get(name, default))

    return write


def _value_writer(spec: FieldSpec) -> Write:
    item = _item_writer(spec.kind, spec.flexible)
    if spec.nullable_struct:
        return _nullable_writer(item)
    return _array_writer(item, spec.flexible) if spec.array else item


def _nullable_writer(item: Write) -> Write:
    def write(out: list[Buffer], value: Mapping[str, Any] | None) -> None:
        if value is None:
            out.append(b"\xff")
        else:
            out.append(b"\x01")
            item(out, value)

    return write


def _item_writer(kind: Any, flexible: bool) -> Write:
    if not isinstance(kind, str):
        return struct_writer(kind)
    if kind in FIXED:
        pack = struct.Struct(">" + FIXED[kind]).pack
        return lambda out, value: out.append(pack(value))
    if kind == "uuid":
        return lambda out, value: out.append(value.bytes if value is not None else NULL_UUID)
    if kind == "string":
        return _string_writer(_length_writer(flexible, ">h"))
    if kind in BYTES_KINDS:
        return _bytes_writer(_length_writer(flexible, ">i"))
    raise TypeError(f"no writer for fields of kind {kind}")


def _length_writer(flexible: bool, fixed: str) -> Callable[[int], bytes]:
    """Lengths of strings, bytes and arrays: -1 stands for null."""
    if flexible:
        return lambda length: _SMALL[length + 1] if length < 0x7F else uvarint(length + 1)
    return struct.Struct(fixed).pack


def _string_writer(length: Callable[[int], bytes]) -> Write:
    def write(out: list[Buffer], value: str | None) -> None:
        if value is None:
            out.append(length(-1))
        else:
            encoded = value.encode()
            out.append(length(len(encoded)) + encoded)

    return write


def _bytes_writer(length: Callable[[int], bytes]) -> Write:
    def write(out: list[Buffer], value: Buffer | None) -> None:
        if value is None:
            out.append(length(-1))
        else:
            out += (length(len(value)), value)

    return write


def _array_writer(item: Write, flexible: bool) -> Write:
    length = _length_writer(flexible, ">i")

    def write(out: list[Buffer], value: Sequence[Any] | None) -> None:
        if value is None:
            out.append(length(-1))
            return
        out.append(length(len(value)))
        for element in value:
            item(out, element)

    return write
