"""What idempotent producers wrote last, so that a retry is stored once (KIP-98).

The newest five batches of a producer are remembered, as many as a client may have in flight. The state of a partition
is saved beside its log and brought up to date from the log's batch headers after a crash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kio.schema.errors import ErrorCode

from local_kafka.storage.batch import SEQUENCE_MASK, BatchHeader, RefusedError

REMEMBERED_BATCHES = 5
# Kafka's producer.id.expiration.ms.
EXPIRATION_MS = 24 * 60 * 60 * 1000
SNAPSHOT_FILE = "producers.json"


class StoredBatch(NamedTuple):
    """A batch of a producer in the log."""

    first_sequence: int
    last_sequence: int
    base_offset: int


class ProducerState(NamedTuple):
    """A producer's newest batches, oldest first, and the broker's time (ms) of the last one."""

    epoch: int
    written_at: int
    batches: tuple[StoredBatch, ...]


@dataclass(slots=True)
class ProducerTable:
    """The producers of one partition by id."""

    states: dict[int, ProducerState] = field(default_factory=dict)

    def saved(self, offset: int, now: int) -> bytes:
        """The table as a file that is right for the log up to an offset; producers that are long gone are dropped."""
        producers = {
            str(producer): [state.epoch, state.written_at, state.batches]
            for producer, state in self.states.items()
            if now - state.written_at < EXPIRATION_MS
        }
        return json.dumps({"offset": offset, "producers": producers}).encode()


def load_producers(path: Path, end_offset: int) -> tuple[ProducerTable, int]:
    """The saved table and the offset up to which it is right; an empty table and 0 when there is none.

    Batches at or behind `end_offset` are left out: the log lost them.
    """
    try:
        saved = json.loads(path.read_bytes())
        producers, offset = saved["producers"], int(saved["offset"])
        table = ProducerTable()
        for producer, (epoch, written_at, batches) in producers.items():
            kept = tuple(StoredBatch(*batch) for batch in batches if batch[2] < end_offset)
            if kept:
                table.states[int(producer)] = ProducerState(epoch, written_at, kept)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ProducerTable(), 0
    return table, offset


class ProducerUpdate:
    """Changes to a table that become true when their batches are stored."""

    __slots__ = ("_changed", "_now", "_table")

    def __init__(self, table: ProducerTable, now: int) -> None:
        self._table = table
        self._changed: dict[int, ProducerState] = {}
        self._now = now

    def stored_before(self, header: BatchHeader) -> int | None:
        """The base offset of a batch that was stored before, or None for one that is next in its sequence.

        Raises:
            RefusedError: the batch is out of sequence, or its producer was replaced.
        """
        state = self._state(header.producer_id)
        if state is None:
            return None
        if header.producer_epoch < state.epoch:
            raise RefusedError(ErrorCode.invalid_producer_epoch, "A newer instance of this producer took over.")
        if header.producer_epoch > state.epoch:
            if header.base_sequence != 0:
                raise RefusedError(
                    ErrorCode.out_of_order_sequence_number,
                    f"A new producer epoch begins with sequence 0, not {header.base_sequence}.",
                )
            return None
        for batch in state.batches:
            if (batch.first_sequence, batch.last_sequence) == (header.base_sequence, header.last_sequence):
                return batch.base_offset
        expected = (state.batches[-1].last_sequence + 1) & SEQUENCE_MASK
        if header.base_sequence != expected:
            raise RefusedError(
                ErrorCode.out_of_order_sequence_number,
                f"Sequence {header.base_sequence} of producer {header.producer_id} where {expected} comes next.",
            )
        return None

    def add(self, header: BatchHeader, base_offset: int) -> None:
        """Note a batch that gets its place in the log."""
        state = self._state(header.producer_id)
        batches = state.batches if state and state.epoch == header.producer_epoch else ()
        batch = StoredBatch(header.base_sequence, header.last_sequence, base_offset)
        self._changed[header.producer_id] = ProducerState(
            header.producer_epoch, self._now, (*batches[-REMEMBERED_BATCHES + 1 :], batch)
        )

    def apply(self) -> None:
        """The batches are stored."""
        self._table.states.update(self._changed)

    def _state(self, producer: int) -> ProducerState | None:
        return self._changed.get(producer) or self._table.states.get(producer)
