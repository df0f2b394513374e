"""Counter-based random numbers that are the same on every machine.

A number is a pure function of (seed, name of the column, number of the row): a splitmix64 hash in 64-bit integers.
So any row can be made without the rows before it, blocks may have any size, and no release of a library can change
the bytes. Everything downstream keeps to integers and to + - * / on doubles, which IEEE 754 fixes to the bit;
exp, log, pow and floating sums, which differ between processors, are not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TABLE_BITS = 14


class Rng:
    """The random numbers of one seed. Columns are named, so adding one changes no other."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._keys: dict[str, np.uint64] = {}

    def bits(self, column: str, rows: Ints) -> NDArray[np.uint64]:
        """64 random bits per row (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
        x = rows.astype(np.uint64)
        x *= _GOLDEN
        x += self._key(column)
        x ^= x >> np.uint64(30)
        x *= _MIX_1
        x ^= x >> np.uint64(27)
        x *= _MIX_2
        x ^= x >> np.uint64(31)
        return x

    def below(self, column: str, rows: Ints, limit: int | Ints) -> Ints:
        """Whole numbers from 0 up to and without `limit` (one, or one a row; below 2**31)."""
        high = (self.bits(column, rows) >> np.uint64(32)).astype(np.int64)
        high *= limit
        high >>= 32
        return high

    def fractions(self, column: str, rows: Ints) -> Floats:
        """Doubles in [0, 1), multiples of 2**-53."""
        return (self.bits(column, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def chance(self, column: str, rows: Ints, probability: float | Floats) -> NDArray[np.bool_]:
        """True with the given probability (one, or one a row)."""
        return self.fractions(column, rows) < probability

    def choose(self, column: str, rows: Ints, choice: Choice, kind: Ints | None = None) -> Ints:
        """The index of an option, by its weight; `kind` selects the choice's row of weights."""
        slot = (self.bits(column, rows) >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)
        if kind is not None:
            slot += kind << _TABLE_BITS
        return choice.table[slot]

    def _key(self, column: str) -> np.uint64:
        key = self._keys.get(column)
        if key is None:
            digest = hashlib.blake2b(f"{self.seed}:{column}".encode(), digest_size=8).digest()
            key = self._keys[column] = np.uint64(int.from_bytes(digest, "little"))
        return key


class Choice:
    """Options with weights, as a table of 16,384 entries per kind: choosing is one look-up."""

    def __init__(self, *weights: Sequence[int]) -> None:
        """One row of weights per kind. Raises ValueError when a row has no weight above 0."""
        self.table: Ints = np.concatenate([_entries(row) for row in weights])


def _entries(weights: Sequence[int]) -> Ints:
    """The options, each as often as its weight asks for; what rounding leaves goes by largest remainder."""
    size = 1 << _TABLE_BITS
    total = sum(weights)
    if total <= 0:
        raise ValueError("a choice needs a weight above 0")
    counts = [weight * size // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(weights[i] * size % total), i))
    for i in by_remainder[: size - sum(counts)]:
        counts[i] += 1
    return np.repeat(np.arange(len(weights), dtype=np.int64), counts)
