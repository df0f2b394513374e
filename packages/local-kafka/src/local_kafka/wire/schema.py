"""What the codec needs to know of a message: its fields, taken from kio's generated classes.

Source: developer documentation of the protocol, kafka.apache.org/protocol, and KIP-482 for flexible versions.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import struct
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

# Kinds of a fixed size. Durations and times stay what they are on the wire: integers in milliseconds.
FIXED = {
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint16": "H",
    "uint32": "I",
    "float64": "d",
    "bool": "?",
    "error_code": "h",
    "timedelta_i32": "i",
    "timedelta_i64": "q",
    "datetime_i64": "q",
}
BYTES_KINDS = ("bytes", "records")
NULL_UUID = bytes(16)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a message: `kind` is a primitive's name in the schema files, or the class of a nested struct."""

    name: str
    kind: Any
    array: bool
    nullable: bool
    tag: int | None
    default: Any
    flexible: bool

    @property
    def fixed(self) -> str | None:
        """The struct format of a field that has always the same size, else None."""
        if self.array or self.tag is not None or not isinstance(self.kind, str):
            return None
        return FIXED.get(self.kind)

    @property
    def nullable_struct(self) -> bool:
        """Whether a byte before the value says if there is one (KIP-893)."""
        return self.nullable and not self.array and not isinstance(self.kind, str)

    @property
    def smallest(self) -> int:
        """The least number of bytes that this field takes in a frame."""
        if self.tag is not None:
            return 0
        if self.array:
            return 1 if self.flexible else 4
        if self.nullable_struct:
            return 1
        return smallest_item(self.kind, self.flexible)


def smallest_item(kind: Any, flexible: bool) -> int:
    """The least number of bytes of one value of a kind."""
    if not isinstance(kind, str):
        return max(1, sum(field.smallest for field in fields_of(kind)) + (1 if kind.__flexible__ else 0))
    if kind in FIXED:
        return struct.calcsize(">" + FIXED[kind])
    if kind == "uuid":
        return 16
    if flexible:
        return 1
    return 2 if kind == "string" else 4


@functools.cache
def fields_of(message: Any) -> tuple[FieldSpec, ...]:
    """The fields of one of kio's classes, in wire order."""
    hints = typing.get_type_hints(message)
    header = message.__name__ == "RequestHeader"
    specs = []
    for field in dataclasses.fields(message):
        kind, array, nullable = _unwrap(hints[field.name])
        if not dataclasses.is_dataclass(kind):
            kind = field.metadata["kafka_type"]
        specs.append(
            FieldSpec(
                name=field.name,
                kind=kind,
                array=array,
                nullable=nullable,
                tag=field.metadata.get("tag"),
                default=_default(field, kind, array, nullable),
                # The client id of a request header keeps its old form so that every broker can read it (KIP-482).
                flexible=message.__flexible__ and not (header and field.name == "client_id"),
            )
        )
    return tuple(specs)


def _unwrap(hint: Any) -> tuple[Any, bool, bool]:
    """A type hint of kio as (item type, is an array, may be null)."""
    nullable = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        nullable = True
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True, nullable
    return hint, False, nullable


def _default(field: dataclasses.Field[Any], kind: Any, array: bool, nullable: bool) -> Any:
    """What a message has when nothing is said: the schema's default in wire form, else the kind's zero."""
    if array:
        return None if field.default is None else ()
    if not isinstance(kind, str):
        return None if nullable else {}
    default = field.default
    if isinstance(default, datetime.timedelta):
        return round(default.total_seconds() * 1000)
    if kind == "datetime_i64":
        return -1
    if default is not dataclasses.MISSING and (default is not None or nullable):
        return default
    if kind == "string":
        return ""
    if kind in BYTES_KINDS:
        return b""
    if kind == "uuid":
        return None
    return False if kind == "bool" else 0


def untagged_in_runs(specs: Iterable[FieldSpec]) -> Iterator[list[FieldSpec]]:
    """The untagged fields in wire order: neighbours of a fixed size together, every other field alone."""
    untagged = (spec for spec in specs if spec.tag is None)
    for fixed, fields in groupby(untagged, key=lambda spec: bool(spec.fixed)):
        if fixed:
            yield list(fields)
        else:
            yield from ([spec] for spec in fields)
