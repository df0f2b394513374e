"""Reading a folder beside the sending: in a thread when it is small, in a process of its own when it is large.

Making messages and handing them to the client both keep the interpreter busy. In one process they would take turns;
apart, the sending is nearly as fast as if the bytes had been ready in memory. The process writes Arrow batches into
a pipe and waits when the sender does, so memory is bounded.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa

from dropship_dagster.shop.rejects import Rejects
from dropship_dagster.stream.ahead import ahead
from dropship_dagster.stream.errors import StreamError
from dropship_dagster.stream.events import Messages
from dropship_dagster.stream.handover import ERRORS, Told
from dropship_dagster.stream.source import Seeds

WORTH_A_PROCESS = 32 << 20
"""Bytes of orders, lines and events from which a process is started: below, starting it takes longer than it saves."""

_PROGRAM = "dropship_dagster.stream.reader_process"
_PIPE_BYTES = 1 << 20
_LOOK_MS = 100
_LEAVE_SECONDS = 1.0


class Reader(Protocol):
    """Messages of a folder, and how many of its rows were rejected so far."""

    rejected: int

    def messages(self) -> Generator[Messages, None, None]:
        """Customers, products, then order events; ends early when asked to stop."""


def open_reader(
    folder: Path,
    *,
    stop: threading.Event,
    rejected_rows: Path | None,
    reject_share: float,
    process_from: int = WORTH_A_PROCESS,
) -> Reader:
    """A reader for the folder; see replay for the parameters. Raises ShopError when its manifest is unreadable."""
    large = Seeds(folder, Rejects()).order_bytes >= process_from
    return (_Process if large else _Thread)(folder, stop, rejected_rows, reject_share)


class _Thread:
    """Reads in this process."""

    def __init__(self, folder: Path, stop: threading.Event, rejected_rows: Path | None, reject_share: float) -> None:
        self.rejected = 0
        self._folder, self._stop = folder, stop
        self._rejected_rows, self._reject_share = rejected_rows, reject_share

    def messages(self) -> Generator[Messages, None, None]:
        with Rejects(self._rejected_rows, share_limit=self._reject_share) as rejects:
            for messages in ahead(Seeds(self._folder, rejects).messages(), self._stop):
                self.rejected = rejects.count
                yield messages
            self.rejected = rejects.count


class _Process:
    """Reads in a process of its own, which ends with this one, whichever way this one ends."""

    def __init__(self, folder: Path, stop: threading.Event, rejected_rows: Path | None, reject_share: float) -> None:
        self.rejected = 0
        self._folder, self._stop = folder, stop
        self._command = [sys.executable, "-m", _PROGRAM, str(folder), str(reject_share)]
        if rejected_rows is not None:
            self._command.append(str(rejected_rows))

    def messages(self) -> Generator[Messages, None, None]:
        with subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            ended = threading.Event()
            # The pipe holds a fifth of a batch: without some batches in stock here, the sender would wait for the
            # process to be given a processor several times a batch.
            received = ahead(self._received(process, ended), self._stop)
            try:
                for messages, self.rejected in received:
                    if messages is not None:
                        yield messages
            finally:
                ended.set()
                received.close()
                _end(process)

    def _received(
        self, process: subprocess.Popen[bytes], ended: threading.Event
    ) -> Iterator[tuple[Messages | None, int]]:
        """The batches, and None at the end, each with how many rows were rejected so far."""
        stream: pa.ipc.RecordBatchStreamReader | None = None
        pipe = _Pipe(process.stdout, ended)
        while True:
            try:
                stream = stream or pa.ipc.open_stream(pa.PythonFile(pipe, mode="r"))
                batch, metadata = stream.read_next_batch_with_custom_metadata()
            except (StopIteration, pa.ArrowInvalid, OSError):  # the pipe ended, and nobody said that this is the end
                if ended.is_set():
                    return
                code = process.wait()
                raise StreamError(
                    f"The process that reads {self._folder} ended before it was done ({_ending(code)}). "
                    "Start the replay again: what is sent twice has one effect."
                ) from None
            told = Told.from_metadata(metadata)
            if told.error is not None:
                raise ERRORS[told.error](told.message)
            if told.topic is None:
                yield None, told.rejected
                return
            yield Messages(told.topic, batch["key"], batch["value"], np.asarray(batch["time_ms"])), told.rejected


class _Pipe:
    """The read end of a pipe as a file for Arrow; it looks ended when its reader has."""

    closed = False

    def __init__(self, file: IO[bytes] | None, ended: threading.Event) -> None:
        if file is None:
            raise ValueError("the process was started without a pipe")
        self._descriptor = file.fileno()
        self._ended = ended
        os.set_blocking(self._descriptor, False)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; elsewhere, or where a limit forbids it, a smaller pipe does as well
            with suppress(OSError):
                fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def read(self, size: int) -> memoryview:
        """So many bytes, or fewer at the end."""
        data = memoryview(bytearray(size))
        filled = 0
        while filled < size and not self._ended.is_set():
            try:
                count = os.readv(self._descriptor, [data[filled:]])
            except BlockingIOError:
                self._poll.poll(_LOOK_MS)
                continue
            if not count:
                break
            filled += count
        return data[:filled]

    def close(self) -> None:
        """The pipe belongs to the process."""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the process close its files, which it does when its standard input ends; not for long."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _ending(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}, see above"
