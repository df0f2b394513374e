"""Cuts a stream of bytes into requests, and recognises what is no Kafka at all."""

from __future__ import annotations

import struct

_SIZE = struct.Struct(">i")
_HTTP = (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN")
_TLS_HANDSHAKE = b"\x16\x03"


class NotKafkaError(ValueError):
    """The peer does not speak the protocol, or asks for more than is allowed."""


class FrameSplitter:
    """Collects bytes until a frame is whole: a size (four bytes), then so many bytes."""

    __slots__ = ("_buffer", "_most_bytes")

    def __init__(self, most_bytes: int) -> None:
        self._buffer = bytearray()
        self._most_bytes = most_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; gives the frames that are whole now, without their sizes.

        Raises:
            NotKafkaError: a size that no request has; says what the bytes look like.
        """
        buffer = self._buffer
        buffer += data
        frames = []
        position = 0
        while len(buffer) - position >= _SIZE.size:
            (size,) = _SIZE.unpack_from(buffer, position)
            if not 0 < size <= self._most_bytes:
                raise NotKafkaError(_explain(bytes(buffer[position : position + 4]), size, self._most_bytes))
            end = position + _SIZE.size + size
            if end > len(buffer):
                break
            frames.append(bytes(memoryview(buffer)[position + _SIZE.size : end]))
            position = end
        if position:
            del buffer[:position]
        return frames


def _explain(start: bytes, size: int, most_bytes: int) -> str:
    if start in _HTTP:
        return "this is HTTP; the port speaks Kafka's protocol"
    if start.startswith(_TLS_HANDSHAKE):
        return "this is TLS; the embedded broker has none, use security.protocol=PLAINTEXT"
    return f"a request of {size} bytes, where 1 to {most_bytes} are allowed"
