"""The live producer's memory on disk: the shop's state, the pace it was left at, and how much of it has been sent.

The file is replaced in one step. It is written before the messages that follow it are sent, so after a kill the same
messages are made and sent again, with the same event ids, and no order id is ever used for two orders.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dropship_dagster.shop.lifecycle import Events
from dropship_dagster.stream.errors import StreamError
from dropship_dagster.stream.simulation import Pace, State
from local_service import privacy
from local_service.files import locked, replace_durably

_FORMAT = 3
_READ = (2, 3)
"""Format 2 knew no time-lapse: its pace has no clock, which is what a pace at a rate has."""
_RESTORE = (
    "put it back from a backup. Without it a stream begins anew, with order ids that the topics and the warehouse have "
    "already: that needs topics and a database of its own (with the local services, another DROPSHIP_HOME and "
    "DROPSHIP_DATA_DIR)."
)


@dataclass(frozen=True)
class Saved:
    """What the file holds.

    identity: the shop and seed it belongs to. slots_done: slots of the interval after `state` that are acknowledged.
    begun: intervals after `state` of which slots may have been sent: only the one that is half done when the producer
    ended by itself, all up to the next save when it was killed.
    """

    identity: str
    state: State
    pace: Pace
    slots_done: int
    begun: int


def load(path: Path, identity: str) -> Saved | None:
    """What the last run left; None when there was none.

    Raises:
        StreamError: the file cannot be understood, or belongs to another shop.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StreamError(f"The stream's state {path} cannot be read ({error.strerror}): {_RESTORE}") from error
    try:
        head, saved = _decoded(content)
    except Exception as error:  # whatever a decoder makes of damaged bytes, and a sentence of its own says nothing here
        raise StreamError(
            f"The stream's state {path} is damaged, or is not a file that a stream wrote: {_RESTORE}"
        ) from error
    if saved is None:
        raise StreamError(
            f"The stream's state {path} has format {head.get('format')}, this version reads {_FORMAT}: name another "
            "state file (--state FILE) with other topics, or remove it together with the topics."
        )
    if saved.identity != identity:
        raise StreamError(
            f"The stream's state {path} belongs to another shop or seed: use the folder and seed it was made with, or, "
            "with topics of its own, another state file (--state FILE)."
        )
    return saved


def _decoded(content: bytes) -> tuple[dict[str, Any], Saved | None]:
    """The head of the file and what it holds; nothing of a file in another format."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        head = json.loads(bytes(arrays["head"]))
        if head["format"] not in _READ:
            return head, None
        state = State(
            clock_us=head["clock_us"],
            next_row=head["next_row"],
            customers=head["customers"],
            waiting=Events(**{field.name: arrays[f"waiting_{field.name}"] for field in fields(Events)}),
            stock=arrays["stock"],
            version=arrays["version"],
            announced=arrays["announced"],
        )
    return head, Saved(head["identity"], state, Pace(**head["pace"]), head["slots_done"], head["begun"])


def save(path: Path, saved: Saved) -> None:
    """Write the file, durably."""
    state = saved.state
    head = {
        "format": _FORMAT,
        "identity": saved.identity,
        "clock_us": state.clock_us,
        "next_row": state.next_row,
        "customers": state.customers,
        "pace": asdict(saved.pace),
        "slots_done": saved.slots_done,
        "begun": saved.begun,
    }
    arrays = {f"waiting_{field.name}": getattr(state.waiting, field.name) for field in fields(Events)}
    arrays |= {"stock": state.stock, "version": state.version, "announced": state.announced}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, **arrays)
    replace_durably(path, data.getvalue())


@contextmanager
def only_producer(path: Path) -> Iterator[None]:
    """Hold the state for this process.

    Raises:
        StreamError: another live producer uses it.
    """
    privacy.make_folder(path.parent)
    with ExitStack() as held:
        try:
            held.enter_context(locked(path.with_name(f".{path.name}.lock"), wait=False))
        except BlockingIOError:
            raise StreamError(
                f"Another live producer uses the state {path}: wait for it, or, with topics of "
                "its own, name another state file (--state FILE)."
            ) from None
        yield
