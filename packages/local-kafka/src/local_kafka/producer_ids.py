"""Hands out the ids of idempotent producers, none twice, even if the broker is killed."""

from __future__ import annotations

from local_kafka.storage.metadata import MetadataStore, Statement

# Ids are reserved on disk in blocks, as Kafka does.
_BLOCK = 1_000
_SETTING = "next_producer_id"


class ProducerIds:
    """The counter of producer ids."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._next = self._reserved = int(store.setting(_SETTING, "0"))

    async def take(self) -> int:
        """An id that nobody had before."""
        if self._next >= self._reserved:
            reserved = self._reserved + _BLOCK
            await self._store.write(
                Statement("INSERT OR REPLACE INTO settings VALUES (?, ?)", [(_SETTING, str(reserved))])
            )
            # Two that waited for the same write must not both move the counter back.
            self._reserved = max(self._reserved, reserved)
        self._next += 1
        return self._next - 1
