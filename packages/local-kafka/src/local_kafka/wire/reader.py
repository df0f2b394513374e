"""Reads requests out of frames that anybody may have sent: every length is checked before anything is made of it."""

from __future__ import annotations

import functools
import struct
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from local_kafka.wire.schema import (
    BYTES_KINDS,
    FIXED,
    NULL_UUID,
    FieldSpec,
    fields_of,
    smallest_item,
    untagged_in_runs,
)

# Bounds what a hostile frame can make of its bytes: each element of an array costs some hundred bytes of memory.
MAX_ARRAY_ITEMS = 200_000
MAX_VARINT_BYTES = 5


class MalformedError(ValueError):
    """A frame that is not a message of the version it claims."""


class Struct(SimpleNamespace):
    """A message as read: one attribute a field, named as in kio's schema; times and durations in milliseconds."""


class Budget:
    """How many array items one frame may still bring."""

    __slots__ = ("items",)

    def __init__(self, items: int = MAX_ARRAY_ITEMS) -> None:
        self.items = items

    def spend(self, items: int) -> None:
        """Raises MalformedError when the frame brings too many."""
        self.items -= items
        if self.items < 0:
            raise MalformedError(f"more than {MAX_ARRAY_ITEMS} array items in one request")


Read = Callable[[bytes, int, Budget], tuple[Any, int]]
Step = Callable[[bytes, int, Budget, dict[str, Any]], int]


def read_uvarint(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned varint of at most 31 bits: (value, next position)."""
    value = data[position]
    if value < 0x80:
        return value, position + 1
    value = shift = 0
    for _ in range(MAX_VARINT_BYTES):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0x7FFFFFFF:
                break
            return value, position
        shift += 7
    raise MalformedError("a varint is longer than 31 bits")


@functools.cache
def struct_reader(message: Any) -> Read:
    """The reader of one of kio's classes: (frame, position, budget) -> (Struct, next position).

    It raises MalformedError, struct.error, IndexError or UnicodeDecodeError on bad bytes; `messages` folds them.
    """
    flexible = message.__flexible__
    steps = _steps(fields_of(message))
    tagged = {spec.tag: (spec.name, _value_reader(spec)) for spec in fields_of(message) if spec.tag is not None}
    defaults = {
        spec.name: spec.default if isinstance(spec.kind, str) or spec.array else _empty(spec.kind)
        for spec in fields_of(message)
        if spec.tag is not None
    }

    def read(data: bytes, position: int, budget: Budget) -> tuple[Any, int]:
        values = dict(defaults)
        for step in steps:
            position = step(data, position, budget, values)
        if flexible and data[position] == 0:
            position += 1
        elif flexible:
            position = _read_tags(data, position, budget, tagged, values)
        return Struct(**values), position

    return read


def _empty(message: Any) -> Struct:
    """A nested struct that the frame does not bring: all defaults."""
    return Struct(**{spec.name: spec.default for spec in fields_of(message)})


def _read_tags(
    data: bytes, position: int, budget: Budget, tagged: dict[int, tuple[str, Read]], values: dict[str, Any]
) -> int:
    """Tagged fields (KIP-482); unknown ones are passed over."""
    count, position = read_uvarint(data, position)
    for _ in range(count):
        tag, position = read_uvarint(data, position)
        size, position = read_uvarint(data, position)
        end = position + size
        if end > len(data):
            raise MalformedError("a tagged field ends behind the frame")
        if tag in tagged:
            name, read = tagged[tag]
            values[name], _ = read(data, position, budget)
        position = end
    return position


def _steps(specs: tuple[FieldSpec, ...]) -> list[Step]:
    """Readers in wire order, neighbours of a fixed size taken together."""
    return [_run_step(run) if run[0].fixed else _field_step(run[0]) for run in untagged_in_runs(specs)]


def _run_step(run: list[FieldSpec]) -> Step:
    layout = struct.Struct(">" + "".join(FIXED[spec.kind] for spec in run))
    names = tuple(spec.name for spec in run)
    if len(names) == 1:
        return _single_step(names[0], layout)

    def step(data: bytes, position: int, budget: Budget, values: dict[str, Any]) -> int:
        values.update(zip(names, layout.unpack_from(data, position), strict=True))
        return position + layout.size

    return step


def _single_step(name: str, layout: struct.Struct) -> Step:
    unpack_from, size = layout.unpack_from, layout.size

    def step(data: bytes, position: int, budget: Budget, values: dict[str, Any]) -> int:
        (values[name],) = unpack_from(data, position)
        return position + size

    return step


def _field_step(spec: FieldSpec) -> Step:
    read, name = _value_reader(spec), spec.name
    may_be_null = spec.nullable or spec.kind == "uuid"

    def step(data: bytes, position: int, budget: Budget, values: dict[str, Any]) -> int:
        values[name], position = read(data, position, budget)
        if values[name] is None and not may_be_null:
            raise MalformedError(f"{name} must not be null")
        return position

    return step


def _value_reader(spec: FieldSpec) -> Read:
    item = _item_reader(spec.kind, spec.flexible)
    if spec.nullable_struct:
        return _nullable_reader(item)
    return _array_reader(item, spec.flexible, smallest_item(spec.kind, spec.flexible)) if spec.array else item


def _nullable_reader(item: Read) -> Read:
    def read(data: bytes, position: int, budget: Budget) -> tuple[Any, int]:
        present = data[position] < 0x80
        return item(data, position + 1, budget) if present else (None, position + 1)

    return read


def _item_reader(kind: Any, flexible: bool) -> Read:
    if not isinstance(kind, str):
        return struct_reader(kind)
    if kind in FIXED:
        return _fixed_reader(kind)
    if kind == "uuid":
        return _read_uuid
    if kind == "string":
        return _string_reader(_length_reader(flexible, ">h"))
    if kind in BYTES_KINDS:
        return _bytes_reader(_length_reader(flexible, ">i"), view=kind == "records")
    raise TypeError(f"no reader for fields of kind {kind}")


def _fixed_reader(kind: str) -> Read:
    layout = struct.Struct(">" + FIXED[kind])

    def read(data: bytes, position: int, budget: Budget) -> tuple[Any, int]:
        return layout.unpack_from(data, position)[0], position + layout.size

    return read


def _read_uuid(data: bytes, position: int, budget: Budget) -> tuple[uuid.UUID | None, int]:
    raw = _take(data, position, 16)
    return (None if raw == NULL_UUID else uuid.UUID(bytes=raw)), position + 16


def _length_reader(flexible: bool, fixed: str) -> Callable[[bytes, int], tuple[int, int]]:
    """Lengths of strings, bytes and arrays: -1 stands for null."""
    if flexible:

        def read_compact(data: bytes, position: int) -> tuple[int, int]:
            length = data[position]
            if length < 0x80:  # nearly always: a call less for each string and array
                return length - 1, position + 1
            length, position = read_uvarint(data, position)
            return length - 1, position

        return read_compact

    layout = struct.Struct(fixed)

    def read_fixed(data: bytes, position: int) -> tuple[int, int]:
        length = layout.unpack_from(data, position)[0]
        if length < -1:
            raise MalformedError(f"a length of {length}")
        return length, position + layout.size

    return read_fixed


def _take(data: bytes, position: int, size: int) -> bytes:
    if position + size > len(data):
        raise MalformedError("a value ends behind the frame")
    return data[position : position + size]


def _string_reader(read_length: Callable[[bytes, int], tuple[int, int]]) -> Read:
    def read(data: bytes, position: int, budget: Budget) -> tuple[str | None, int]:
        length, position = read_length(data, position)
        if length < 0:
            return None, position
        end = position + length
        if end > len(data):
            raise MalformedError("a string ends behind the frame")
        return data[position:end].decode(), end

    return read


def _bytes_reader(read_length: Callable[[bytes, int], tuple[int, int]], *, view: bool) -> Read:
    """Record data stays a view of the frame, so that a produced megabyte is never copied."""

    def read(data: bytes, position: int, budget: Budget) -> tuple[bytes | memoryview | None, int]:
        length, position = read_length(data, position)
        if length < 0:
            return None, position
        if not view:
            return _take(data, position, length), position + length
        if position + length > len(data):
            raise MalformedError("record data ends behind the frame")
        return memoryview(data)[position : position + length], position + length

    return read


def _array_reader(item: Read, flexible: bool, smallest: int) -> Read:
    read_length = _length_reader(flexible, ">i")

    def read(data: bytes, position: int, budget: Budget) -> tuple[list[Any] | None, int]:
        count, position = read_length(data, position)
        if count < 0:
            return None, position
        if count * smallest > len(data) - position:
            raise MalformedError(f"an array of {count} items in {len(data) - position} bytes")
        budget.spend(count)
        items = []
        for _ in range(count):
            value, position = item(data, position, budget)
            items.append(value)
        return items, position

    return read
