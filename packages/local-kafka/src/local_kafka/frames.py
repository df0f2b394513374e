"""Cuts a stream of bytes into requests, and recognises what is no Kafka at all."""

from __future__ import annotations

import struct
from collections.abc import Callable

_SIZE = struct.Struct(">i")
_HTTP = (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN")
_TLS_HANDSHAKE = b"\x16\x03"


# Kafka's queued.max.request.bytes counts all requests; small ones are bounded by their number here.
LARGE_BYTES = 256 << 10


class RequestMemory:
    """The memory of large requests of all connections together: who finds none waits for its turn.

    As in Kafka the last one to be let in may be larger than what is left, so that any request has its turn.
    """

    def __init__(self, most_bytes: int) -> None:
        self._free = most_bytes
        self._waiting: dict[object, tuple[int, Callable[[], None]]] = {}

    @property
    def wanted(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def take(self, owner: object, size: int, resume: Callable[[], None]) -> bool:
        """Take memory for a request; where there is none, `resume` is called when it has been taken."""
        if self._free > 0 and not self._waiting:
            self._free -= size
            return True
        self._waiting[owner] = (size, resume)
        return False

    def give(self, size: int) -> None:
        """Give memory back."""
        self._free += size
        while self._waiting and self._free > 0:
            owner = next(iter(self._waiting))
            wanted, resume = self._waiting.pop(owner)
            self._free -= wanted
            resume()

    def forget(self, owner: object) -> None:
        """Whoever waited is gone."""
        self._waiting.pop(owner, None)


class NotKafkaError(ValueError):
    """The peer does not speak the protocol, or asks for more than is allowed."""


class FrameSplitter:
    """Collects bytes until a frame is whole: a size (four bytes), then so many bytes."""

    __slots__ = ("_buffer", "_most_bytes", "awaited")

    def __init__(self, most_bytes: int) -> None:
        self._buffer = bytearray()
        # The size of the request of which a part is there.
        self.awaited = 0
        self._most_bytes = most_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; gives the frames that are whole now, without their sizes.

        Raises:
            NotKafkaError: a size that no request has; says what the bytes look like.
        """
        buffer = self._buffer
        buffer += data
        frames = []
        position = self.awaited = 0
        while len(buffer) - position >= _SIZE.size:
            (size,) = _SIZE.unpack_from(buffer, position)
            if not 0 < size <= self._most_bytes:
                raise NotKafkaError(_explain(bytes(buffer[position : position + 4]), size, self._most_bytes))
            end = position + _SIZE.size + size
            if end > len(buffer):
                self.awaited = size
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
        return "this is TLS; the local broker has none, use security.protocol=PLAINTEXT"
    return f"a request of {size} bytes, where 1 to {most_bytes} are allowed"
