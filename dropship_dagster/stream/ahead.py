"""Making things in advance, in another thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

_AHEAD = 3

T = TypeVar("T")


def ahead(items: Iterator[T], stop: threading.Event) -> Generator[T, None, None]:
    """The same items, a few of them made in advance; an error there is raised here. Ends early when asked to stop."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=_AHEAD)
    given_up = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not (given_up.is_set() or stop.is_set()):
            try:
                ready.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item, None):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            put(None, error)
        else:
            put(None, None)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield from _taken(ready, stop)
    finally:
        given_up.set()
        thread.join()


def _taken(ready: queue.Queue[tuple[T | None, BaseException | None]], stop: threading.Event) -> Iterator[T]:
    while not stop.is_set():
        try:
            item, error = ready.get(timeout=0.1)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        if item is None:
            return
        yield item
