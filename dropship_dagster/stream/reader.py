"""Reads seed files concurrently with producing: small folders in a thread, large ones in a process of their own.

Making messages and handing them to the client both keep the interpreter busy. In one process they would take turns;
apart, the sending is nearly as fast as if the bytes had been ready in memory. The process is a few batches ahead and
then waits for the sender, so memory is bounded.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Protocol

from dropship_dagster.shop.rejects import Rejects
from dropship_dagster.stream.ahead import ahead
from dropship_dagster.stream.errors import StreamError
from dropship_dagster.stream.events import Messages
from dropship_dagster.stream.handover import BUFFERS, ERRORS, KNOWN_GOOD, UNKNOWN, USED, BatchDescriptor, SharedBuffer
from dropship_dagster.stream.source import Seeds

WORTH_A_PROCESS = 32 << 20
"""Bytes of orders, lines and events from which a process is started: below, starting it takes longer than it saves."""

_PROGRAM = "dropship_dagster.stream.reader_process"
_READ_BYTES = 1 << 16
_LOOK_MS = 100
_LEAVE_SECONDS = 1.0


class Reader(Protocol):
    """Messages of a folder, and how many of its rows were rejected so far."""

    rejected: int

    def messages(self) -> Generator[Messages, None, None]:
        """Customers, products, then order events; ends early when asked to stop.

        Messages are to be used before the next ones are asked for: their memory may be used again then.
        """


def open_reader(
    seeds: Seeds,
    *,
    stop: threading.Event,
    rejected_rows: Path | None,
    reject_share: float,
    process_from: int = WORTH_A_PROCESS,
) -> Reader:
    """A reader for the folder of these seeds; see replay for the parameters."""
    if seeds.order_bytes >= process_from:
        return _Process(seeds, stop, rejected_rows, reject_share)
    return _Thread(seeds.folder, stop, rejected_rows, reject_share)


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

    def __init__(self, seeds: Seeds, stop: threading.Event, rejected_rows: Path | None, reject_share: float) -> None:
        self.rejected = 0
        self._seeds, self._stop = seeds, stop
        self._rejected_rows, self._reject_share = rejected_rows, reject_share

    def messages(self) -> Generator[Messages, None, None]:
        with ExitStack() as stack:
            buffers = [SharedBuffer() for _ in range(BUFFERS)]
            for buffer in buffers:
                stack.callback(buffer.close)
            process = stack.enter_context(self._start([buffer.descriptor for buffer in buffers]))
            stack.callback(_end, process)
            # It takes a while to start: the files are read here meanwhile.
            _say(process, KNOWN_GOOD if self._seeds.is_known_good(self._stop) else UNKNOWN)
            filled = itertools.cycle(buffers)
            for descriptor in self._descriptors(process):
                self.rejected = descriptor.rejected
                if descriptor.error is not None:
                    raise ERRORS[descriptor.error](descriptor.message)
                if descriptor.topic is None:
                    return
                yield next(filled).read(descriptor.topic, descriptor.size)
                _say(process, USED)

    def _start(self, descriptors: list[int]) -> subprocess.Popen[bytes]:
        buffers = ",".join(map(str, descriptors))
        command = [sys.executable, "-m", _PROGRAM, str(self._seeds.folder), str(self._reject_share), buffers]
        if self._rejected_rows is not None:
            command.append(str(self._rejected_rows))
        return subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors)

    def _descriptors(self, process: subprocess.Popen[bytes]) -> Iterator[BatchDescriptor]:
        """What the process tells, until we are asked to stop."""
        pipe = _pipe(process.stdout)
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        rest = b""
        while not self._stop.is_set():
            if not poll.poll(_LOOK_MS):
                continue
            data = os.read(pipe, _READ_BYTES)
            if not data:  # nobody said that this is the end
                raise StreamError(
                    f"The process that reads {self._seeds.folder} ended before it was done "
                    f"({_ending(process.wait())}). Start the replay again: what is sent twice has one effect."
                )
            *lines, rest = (rest + data).split(b"\n")
            yield from map(BatchDescriptor.from_line, lines)


def _say(process: subprocess.Popen[bytes], byte: bytes) -> None:
    with suppress(BrokenPipeError):  # it has ended, and its last descriptor says why
        os.write(_pipe(process.stdin), byte)


def _pipe(file: IO[bytes] | None) -> int:
    if file is None:
        raise ValueError("the process was started without a pipe")
    return file.fileno()


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
