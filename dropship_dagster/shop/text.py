"""Identifiers, times and amounts as Arrow arrays, built in bulk.

Speed is the reason for this module: formatting is most of the work of writing a CSV. Everything works on blocks of
some ten thousand rows, which stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dropship_dagster.shop.rng import Ints

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

CUSTOMER_DIGITS = 7
SUPPLIER_DIGITS = 3
PRODUCT_DIGITS = 5
ORDER_DIGITS = 8

_FIRST_DAY = np.datetime64("1970-01-01")
_LAST_DAY = np.datetime64("2200-01-01")
_FOUR_DIGITS = np.array([b"%04d" % i for i in range(10_000)], dtype="S4")


@dataclass(frozen=True)
class _Clock:
    """The text of times, eight bytes a word, so that a time of 24 bytes is three stores."""

    year_month: NDArray[np.uint64]
    day: NDArray[np.uint64]
    hour_minute: NDArray[np.uint64]
    second: NDArray[np.uint64]


@cache
def _clock() -> _Clock:
    """By day since 1970, minute of the day and millisecond of the minute. Made when first used: it takes 70 ms."""
    days = [day.encode() for day in np.datetime_as_string(np.arange(_FIRST_DAY, _LAST_DAY)).tolist()]
    return _Clock(
        _words([day[:8] for day in days]),
        _words([day[8:] + b"T" + bytes(5) for day in days]),
        _words([bytes(3) + b"%02d:%02d" % divmod(minute, 60) for minute in range(1440)]),
        _words([b":%02d.%03dZ" % divmod(ms, 1000) for ms in range(MINUTE_MS)]),
    )


def _words(parts: Sequence[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(parts), dtype=np.uint64)


def times(epoch_ms: Ints) -> pa.StringArray:
    """Epoch milliseconds (1970 to 2199) as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    day = epoch_ms // DAY_MS
    in_day = epoch_ms - day * DAY_MS
    minute = in_day // MINUTE_MS
    words = np.empty((len(epoch_ms), 3), dtype=np.uint64)
    clock = _clock()
    words[:, 0] = clock.year_month[day]
    words[:, 1] = clock.day[day] | clock.hour_minute[minute]
    words[:, 2] = clock.second[in_day - minute * MINUTE_MS]
    return fixed_width(words.view(np.uint8))


def fixed_width(rows: NDArray[np.uint8]) -> pa.StringArray:
    """An (n, width) matrix of ASCII bytes as n strings, without a copy."""
    count, width = rows.shape
    offsets = np.arange(0, count * width + 1, width, dtype=np.int32) if width else np.zeros(count + 1, np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(rows))


def identifiers(prefix: str, numbers: Ints, digits: int) -> pa.StringArray:
    """`prefix` and the zero-padded number; longer where a number needs more than `digits` digits."""
    if len(numbers) and int(numbers.max()) >= 10**digits:
        return pa.array([f"{prefix}{number:0{digits}d}" for number in numbers.tolist()], pa.string())
    head = len(prefix)
    rows = np.empty((len(numbers), head + digits), dtype=np.uint8)
    rows[:, :head] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    rows[:, head:] = digits_of(numbers, digits)
    return fixed_width(rows)


def digits_of(numbers: Ints, digits: int) -> NDArray[np.uint8]:
    """The last `digits` decimal digits of each number as an (n, digits) matrix of ASCII bytes."""
    groups = -(-digits // 4)
    text = np.empty((len(numbers), groups), dtype="S4")
    rest = numbers
    for group in range(groups - 1, -1, -1):
        upper = rest // 10_000
        text[:, group] = _FOUR_DIGITS[rest - upper * 10_000]
        rest = upper
    return text.view(np.uint8).reshape(len(numbers), groups * 4)[:, groups * 4 - digits :]


def decimals(units: Ints, scale: int, *, precision: int = 12, nulls: NDArray[np.bool_] | None = None) -> pa.Array:
    """Whole numbers of 10**-scale (cents for scale 2) as decimal128."""
    wide = np.empty((len(units), 2), dtype=np.int64)
    wide[:, 0] = units
    wide[:, 1] = units >> 63
    validity = None
    if nulls is not None:
        validity = pa.py_buffer(np.packbits(~nulls, bitorder="little"))
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), [validity, pa.py_buffer(wide)])


def labels(codes: Ints, names: Sequence[str]) -> pa.DictionaryArray:
    """Codes into `names` as a dictionary array; a code of -1 is NULL."""
    small = codes.astype(np.int16)
    return pa.DictionaryArray.from_arrays(pa.array(small, mask=small < 0), pa.array(names, pa.string()))
