"""The process that reads a large folder: messages into shared memory, their descriptors to standard output.

    python -m dropship_dagster.stream.reader_process FOLDER REJECT_SHARE BUFFERS [REJECTED_ROWS]

Started by `reader`, which says why; `handover` defines the protocol between the two. BUFFERS are inherited descriptors,
with commas. It ends when its standard input does, and so with the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import IO

from dropship_dagster.shop.rejects import Rejects
from dropship_dagster.stream.handover import ERRORS, KNOWN_GOOD, BatchDescriptor, SharedBuffer
from dropship_dagster.stream.source import Seeds

_LEAVE_SECONDS = 0.5
_READ_BYTES = 1 << 10


def main(arguments: list[str]) -> int:
    """Read and hand over; 0 when the end, or an error of the files, was reported."""
    # Whoever stops the sender with the whole group of processes must not cut the messages off in the middle: the
    # sender drains, and then closes our input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.meta_path.insert(0, _WithoutPandas())
    # A library that prints must not print between the lines.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder, share, buffers, *rejected_rows = arguments
    sender = _Sender([SharedBuffer(int(descriptor)) for descriptor in buffers.split(",")])
    try:
        last = _hand_over(Path(folder), float(share), Path(rejected_rows[0]) if rejected_rows else None, sender, out)
        out.write(last.to_line())
    except BrokenPipeError:
        return 1  # the sender is gone
    return 0


def _hand_over(
    folder: Path, share: float, rejected_rows: Path | None, sender: _Sender, out: IO[bytes]
) -> BatchDescriptor:
    """All messages; the last descriptor."""
    try:
        with Rejects(rejected_rows, share_limit=share) as rejects:
            for messages in Seeds(folder, rejects, known_good=sender.knows_the_files).messages():
                buffer = sender.next_buffer()
                if buffer is None:
                    break
                out.write(BatchDescriptor(rejects.count, messages.topic, buffer.write(messages)).to_line())
        return BatchDescriptor(rejects.count)
    except tuple(ERRORS.values()) as error:
        return BatchDescriptor(error=type(error).__name__, message=str(error))


class _WithoutPandas(MetaPathFinder):
    """Arrow loads pandas where there is one, to ask of what it is given whether it is a series: half of our start."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


class _Sender:
    """What the sending process says on our standard input."""

    def __init__(self, buffers: list[SharedBuffer]) -> None:
        """Waits for its first byte."""
        self.knows_the_files = os.read(sys.stdin.fileno(), 1) == KNOWN_GOOD
        self._buffers = buffers
        self._used = 0
        self._free = threading.Semaphore(len(buffers))
        self._gone = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def next_buffer(self) -> SharedBuffer | None:
        """The next buffer, when it is free; None when the sender wants no more."""
        self._free.acquire()
        if self._gone.is_set():
            return None
        buffer = self._buffers[self._used % len(self._buffers)]
        self._used += 1
        return buffer

    def _listen(self) -> None:
        """Until the end of standard input; then wait for the reading to end by itself, and end it."""
        while said := os.read(sys.stdin.fileno(), _READ_BYTES):
            self._free.release(len(said))
        self._gone.set()
        self._free.release()
        time.sleep(_LEAVE_SECONDS)
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
