"""Requests and responses by API key and version."""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from kio.index import load_request_schema, load_response_schema

from local_kafka.wire.reader import Budget, MalformedError, Read, Struct, struct_reader
from local_kafka.wire.writer import Buffer, Write, struct_writer

_PREFIX = struct.Struct(">hhi")
_SIZE = struct.Struct(">i")
# Record data from this size on is handed to the socket as it is; smaller pieces are joined.
_LARGE = 16_384


class RequestPrefix(NamedTuple):
    """What begins every request, whatever its version."""

    api_key: int
    version: int
    correlation_id: int


def read_prefix(frame: bytes) -> RequestPrefix:
    """The first eight bytes of a frame (without its size)."""
    if len(frame) < _PREFIX.size:
        raise MalformedError(f"a request of {len(frame)} bytes")
    return RequestPrefix._make(_PREFIX.unpack_from(frame))


def read_request(api_key: int, version: int, frame: bytes) -> tuple[str, Struct]:
    """The client id and the body of a request whose API and version are served.

    Raises:
        MalformedError: the frame is not a request of that version.
    """
    read_header, read_body = _request_readers(api_key, version)
    budget = Budget()
    try:
        header, position = read_header(frame, 0, budget)
        body, _ = read_body(frame, position, budget)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MalformedError(str(error)) from error
    return header.client_id or "", body


def write_response(api_key: int, version: int, correlation_id: int, body: Mapping[str, Any]) -> list[Buffer]:
    """A whole response frame, as buffers to be sent one after the other."""
    write_header, write_body = _response_writers(api_key, version)
    pieces: list[Buffer] = [b""]
    write_header(pieces, {"correlation_id": correlation_id})
    write_body(pieces, body)
    size = sum(map(len, pieces))
    pieces[0] = _SIZE.pack(size)
    return [b"".join(pieces)] if size < _LARGE else _joined(pieces)


def has_error_code(api_key: int, version: int) -> bool:
    """Whether the response of an API has one error for the whole request."""
    _, response = _schemas(api_key, version)
    return "error_code" in response.__dataclass_fields__


def _joined(pieces: list[Buffer]) -> list[Buffer]:
    """Small neighbours joined, so that a response is a few buffers and large data is not copied."""
    buffers: list[Buffer] = []
    small: list[Buffer] = []
    for piece in pieces:
        if len(piece) < _LARGE:
            small.append(piece)
            continue
        if small:
            buffers.append(b"".join(small))
            small = []
        buffers.append(piece)
    if small:
        buffers.append(b"".join(small))
    return buffers


def _schemas(api_key: int, version: int) -> tuple[Any, Any]:
    return load_request_schema(api_key, version), load_response_schema(api_key, version)


@functools.cache
def _request_readers(api_key: int, version: int) -> tuple[Read, Read]:
    request, _ = _schemas(api_key, version)
    return struct_reader(request.__header_schema__), struct_reader(request)


@functools.cache
def _response_writers(api_key: int, version: int) -> tuple[Write, Write]:
    _, response = _schemas(api_key, version)
    return struct_writer(response.__header_schema__), struct_writer(response)
