"""Threads that touch the disk, so that a slow one never holds up the event loop and its heartbeats."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
# Called in the event loop with the job's result, or with what it raised.
Done = Callable[[Any, Exception | None], None]
_Job = tuple[Callable[[], Any], Done]


class DiskWorkers:
    """Runs jobs in threads and their `done` callbacks in the event loop.

    Cheaper than an executor's futures: completions that come together wake the loop once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str = "disk", *, threads: int = 4) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._finished: list[tuple[Done, Any, Exception | None]] = []
        self._gathered: list[_Job] = []
        self._woken = False
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[], Any], done: Done) -> None:
        """Run a job; jobs of one partition must not be submitted before the last one of their kind is done."""
        self._jobs.put([(job, done)])

    def submit_soon(self, job: Callable[[], Any], done: Done) -> None:
        """Run a short job, in one go with the others that this step of the event loop submits."""
        if not self._gathered:
            self._loop.call_soon(self._submit_gathered)
        self._gathered.append((job, done))

    def _submit_gathered(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._jobs.put(gathered)

    async def run(self, job: Callable[[], T]) -> T:
        """Run a job and wait for its result, or for what it raises."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: Any, error: Exception | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(job, done)
        return await future

    def close(self) -> None:
        """Finish what was submitted and end the threads."""
        self._submit_gathered()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._deliver()

    def _work(self) -> None:
        while (jobs := self._jobs.get()) is not None:
            finished = [(done, *_attempt(job)) for job, done in jobs]
            with self._lock:
                self._finished += finished
                wake, self._woken = not self._woken, True
            if wake:
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            finished, self._finished = self._finished, []
            self._woken = False
        for done, result, failure in finished:
            try:
                done(result, failure)
            except Exception as error:  # noqa: BLE001 - one callback's fault must not lose the others' results
                self._loop.call_exception_handler({"message": "a disk job's callback failed", "exception": error})


def _attempt(job: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return job(), None
    except Exception as error:  # noqa: BLE001 - handed to `done`, which decides
        return None, error
