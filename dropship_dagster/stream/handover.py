"""How the process that reads a folder hands messages to the one that sends them.

Each batch in shared memory is announced by a JSON descriptor; a one-byte acknowledgement releases its buffer. Through a
pipe a message would be copied twice, and each process woken many times per batch: a tenth of what sending it costs.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from dropship_dagster.shop.errors import ShopError, TooManyRejectsError
from dropship_dagster.stream.events import Messages

BUFFERS = 4
"""Batches in flight: enough for neither process to wait for the other's next turn on a processor."""

ERRORS = {error.__name__: error for error in (ShopError, TooManyRejectsError)}
"""What may be wrong with the files, for the sender to raise. Anything else is a fault of ours and ends the process."""

KNOWN_GOOD, UNKNOWN = b"k", b"u"
"""The first byte from the sender: whether the files are the generator's own, see `Seeds`."""

USED = b"."
"""Each byte after it acknowledges the oldest batch: its buffer is free."""

_BATCH = pa.schema([("key", pa.binary()), ("value", pa.binary()), ("time_ms", pa.int64())])


@dataclass(frozen=True)
class BatchDescriptor:
    """Describes a batch; one without a topic is the end.

    `size`: bytes of it in its buffer; `rejected`: rows rejected so far; `error`, `message`: what ended the reading.
    """

    rejected: int = 0
    topic: str | None = None
    size: int = 0
    error: str | None = None
    message: str = ""

    def to_line(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """The reverse."""
        return cls(**json.loads(line))


class SharedBuffer:
    """A file without a name, in memory where the system can do that; as large as its largest batch so far."""

    def __init__(self, descriptor: int | None = None) -> None:
        """A new one, or one whose descriptor was inherited."""
        self.descriptor = _nameless_file() if descriptor is None else descriptor
        self._mapped: mmap.mmap | None = None

    def write(self, messages: Messages) -> int:
        """Put messages there; the size to read it with."""
        columns = [messages.keys, messages.values, pa.array(messages.times_ms)]
        batch = pa.record_batch(columns, schema=_BATCH)
        measured = pa.MockOutputStream()
        _write(batch, measured)
        size: int = measured.size()
        if size > os.fstat(self.descriptor).st_size:
            os.ftruncate(self.descriptor, size)
        _write(batch, pa.FixedSizeBufferWriter(pa.py_buffer(self._memory(size))))
        return size

    def read(self, topic: str, size: int) -> Messages:
        """What was put there, without a copy: it is there until the buffer is used again."""
        batch = pa.ipc.open_stream(pa.py_buffer(self._memory(size)).slice(0, size)).read_next_batch()
        # Arrow's own conversion would load pandas, to find out that this is none of its series.
        times_ms = np.frombuffer(batch["time_ms"].buffers()[1], dtype=np.int64, count=len(batch))
        return Messages(topic, batch["key"], batch["value"], times_ms)

    def close(self) -> None:
        """The memory goes when nothing read from it is left, here and in the other process."""
        self._mapped = None
        os.close(self.descriptor)

    def _memory(self, size: int) -> mmap.mmap:
        if self._mapped is None or len(self._mapped) < size:
            self._mapped = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
        return self._mapped


def _write(batch: pa.RecordBatch, sink: pa.NativeFile) -> None:
    with pa.ipc.new_stream(sink, _BATCH) as stream:
        stream.write_batch(batch)


def _nameless_file() -> int:
    if sys.platform == "linux":
        return os.memfd_create("dropship-messages")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
