"""Random messages of kio's classes, in kio's form and in the form of our codec."""

from __future__ import annotations

import datetime
import io
from typing import Any

from hypothesis import strategies as st
from kio.index import load_request_schema, load_response_schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

from local_kafka.apis.table import APIS
from local_kafka.wire.schema import FieldSpec, fields_of

# A struct that may be null (KIP-893) is in no API that is served; its codec is checked with these.
NULLABLE_STRUCTS = [(68, 0), (68, 1), (75, 0)]
SERVED = [(api.key, version) for api in APIS.values() for version in range(api.min_version, api.max_version + 1)]
_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
# Far enough from the ends of a float's precision that kio's conversion of times gives the same milliseconds back.
_MOST_MS = 2**40


def request_class(api_key: int, version: int) -> Any:
    return load_request_schema(api_key, version)


def response_class(api_key: int, version: int) -> Any:
    return load_response_schema(api_key, version)


def bodies(message: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of a message: a mapping, as handlers make them."""
    return st.fixed_dictionaries({spec.name: _values(spec) for spec in fields_of(message)})


def _values(spec: FieldSpec) -> st.SearchStrategy[Any]:
    item = _items(spec.kind)
    value = st.lists(item, max_size=3).map(tuple) if spec.array else item
    nullable = spec.nullable and (spec.array or spec.nullable_struct or spec.kind in ("string", "bytes", "records"))
    return st.none() | value if nullable else value


def _items(kind: Any) -> st.SearchStrategy[Any]:
    if not isinstance(kind, str):
        return bodies(kind)
    if kind in _BITS:
        return st.integers(-(2 ** (_BITS[kind] - 1)), 2 ** (_BITS[kind] - 1) - 1)
    if kind == "uint16":
        return st.integers(0, 2**16 - 1)
    if kind == "bool":
        return st.booleans()
    if kind == "error_code":
        return st.sampled_from([int(code) for code in ErrorCode])
    if kind in ("timedelta_i32", "datetime_i64", "timedelta_i64"):
        return st.integers(0, 2**31 - 1 if kind == "timedelta_i32" else _MOST_MS)
    if kind == "uuid":
        return st.none() | st.uuids()
    if kind == "string":
        return st.text(max_size=200)
    return st.binary(max_size=300)


def as_entity(message: Any, body: dict[str, Any]) -> Any:
    """A body as an instance of kio's class."""
    return message(**{spec.name: _entity_value(spec, body[spec.name]) for spec in fields_of(message)})


def _entity_value(spec: FieldSpec, value: Any) -> Any:
    if value is None:
        return None
    if spec.array:
        return tuple(_entity_item(spec.kind, item) for item in value)
    return _entity_item(spec.kind, value)


def _entity_item(kind: Any, value: Any) -> Any:
    if not isinstance(kind, str):
        return as_entity(kind, value)
    if kind.startswith("timedelta"):
        return datetime.timedelta(milliseconds=value)
    if kind == "datetime_i64":
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=value)
    if kind == "error_code":
        return ErrorCode(value)
    return value


def kio_bytes(entity: Any) -> bytes:
    """What kio makes of an entity."""
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


def as_body(message: Any, read: Any) -> dict[str, Any]:
    """What our reader gave, as a body."""
    body = {}
    for spec in fields_of(message):
        value = getattr(read, spec.name)
        if spec.array and value is not None:
            value = tuple(_plain(spec.kind, item) for item in value)
        elif not spec.array:
            value = _plain(spec.kind, value)
        body[spec.name] = value
    return body


def _plain(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(kind, str):
        return as_body(kind, value)
    return bytes(value) if isinstance(value, memoryview) else value


def request_frame(api_key: int, version: int, body: dict[str, Any], correlation_id: int = 7) -> bytes:
    """A whole request, with its size, made by kio."""
    message = request_class(api_key, version)
    header = message.__header_schema__(
        request_api_key=api_key, request_api_version=version, correlation_id=correlation_id, client_id="tests"
    )
    payload = kio_bytes(header) + kio_bytes(as_entity(message, body))
    return len(payload).to_bytes(4, "big") + payload
