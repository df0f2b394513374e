"""The process that reads a large folder: messages out of its standard output, as a stream of Arrow batches.

    python -m dropship_dagster.stream.reader_process FOLDER REJECT_SHARE [REJECTED_ROWS]

Started by `reader`, which says why. It ends when its standard input does, and so with the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pyarrow as pa

from dropship_dagster.shop.rejects import Rejects
from dropship_dagster.stream.ahead import ahead
from dropship_dagster.stream.handover import BATCH, ERRORS, Told
from dropship_dagster.stream.source import Seeds

_LEAVE_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Read and write; 0 when the end, or an error of the files, was told."""
    # Whoever stops the sender with the whole group of processes must not cut the stream off in the middle: the sender
    # drains, and then closes our input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    stop = threading.Event()
    threading.Thread(target=_end_with_input, args=(stop,), daemon=True).start()
    # A library that prints must not print into the stream.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder, share, *rejected_rows = arguments
    try:
        _write(Path(folder), float(share), Path(rejected_rows[0]) if rejected_rows else None, stop, out)
        out.close()
    except BrokenPipeError:
        return 1  # the sender is gone
    return 0


def _write(folder: Path, share: float, rejected_rows: Path | None, stop: threading.Event, out: IO[bytes]) -> None:
    with pa.ipc.new_stream(out, BATCH) as stream:
        try:
            with Rejects(rejected_rows, share_limit=share) as rejects:
                # This thread waits for the pipe most of the time; another one makes the next batches meanwhile.
                for messages in ahead(Seeds(folder, rejects).messages(), stop):
                    columns = [messages.keys, messages.values, pa.array(messages.times_ms)]
                    batch = pa.record_batch(columns, schema=BATCH)
                    stream.write_batch(batch, Told(rejects.count, messages.topic).to_metadata())
            last = Told(rejects.count)
        except tuple(ERRORS.values()) as error:
            last = Told(error=type(error).__name__, message=str(error))
        empty = pa.record_batch([[], [], []], schema=BATCH)
        stream.write_batch(empty, last.to_metadata())


def _end_with_input(stop: threading.Event) -> None:
    """Wait for the end of standard input, then for the reading to end by itself, then end it."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop.set()
    time.sleep(_LEAVE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
