"""What the process that reads a folder hands to the one that sends: a stream of Arrow batches, each with its facts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

import pyarrow as pa

from dropship_dagster.shop.errors import ShopError, TooManyRejectsError

BATCH = pa.schema([("key", pa.binary()), ("value", pa.binary()), ("time_ms", pa.int64())])

ERRORS = {error.__name__: error for error in (ShopError, TooManyRejectsError)}
"""What may be wrong with the files, for the sender to raise. Anything else is a fault of ours and ends the process."""

_TOLD = b"told"


@dataclass(frozen=True)
class Told:
    """What goes with a batch: its topic, None at the end; rows rejected so far; the error that ended the reading."""

    rejected: int = 0
    topic: str | None = None
    error: str | None = None
    message: str = ""

    def to_metadata(self) -> dict[bytes, bytes]:
        """The batch's metadata."""
        return {_TOLD: json.dumps(asdict(self)).encode()}

    @classmethod
    def from_metadata(cls, metadata: pa.KeyValueMetadata) -> Self:
        """The reverse."""
        return cls(**json.loads(metadata[_TOLD]))
