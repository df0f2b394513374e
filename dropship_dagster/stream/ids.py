"""Event ids: UUID5 (RFC 9562) of `<topic>/<entity id>/<version>`, a block at a time.

SHA-1 is computed for thousands of names at once by numpy, word by word. One name after the other through hashlib costs
three times as much, and ids are a third of what it takes to make a message.
"""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dropship_dagster.shop.text import fixed_width

EVENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/dropship/events")
"""The namespace of event ids; the name is `<topic>/<entity id>/<version>`."""

_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint32]

_UUID_GROUPS = ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4))
"""The groups of digits of a UUID's text, from and to, and how many dashes are before."""

_BLOCK_BYTES = 64
_LONGEST_IN_A_BLOCK = _BLOCK_BYTES - 9
"""FIPS 180-4, 5.1.1: a byte 0x80 and eight bytes of length follow the text."""

_ROWS_AT_ONCE = 16_384
"""About so many: the twenty-two arrays stay in the processor's cache, and numpy's calls cost little beside the work."""

_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_ROUND_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)


def event_ids(topic: str, ids: pa.Array, versions: pa.Array) -> pa.Array:
    """UUID5 of `<topic>/<id>/<version>` as text, for text `ids` and `versions` that are numbers or their text."""
    prefix = EVENT_NAMESPACE.bytes + f"{topic}/".encode()
    names = pc.binary_join_element_wise(ids, versions.cast(pa.string()), "/")
    lengths = np.asarray(pc.binary_length(names))
    digests = np.empty((len(names), 16), dtype=np.uint8)
    for length in np.unique(lengths).tolist():
        chosen = np.flatnonzero(lengths == length)
        alike = names if len(chosen) == len(names) else names.take(pa.array(chosen))
        digests[chosen] = _digests(prefix, _matrix(alike, length))
    digests[:, 6] = digests[:, 6] & 0x0F | 0x50
    digests[:, 8] = digests[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(digests.tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 32)
    text = np.full((len(names), 36), ord("-"), dtype=np.uint8)
    for start, stop, dashes in _UUID_GROUPS:
        text[:, start + dashes : stop + dashes] = digits[:, start:stop]
    return fixed_width(text)


def _matrix(names: pa.Array, length: int) -> _Bytes:
    """Names of one length as an (n, length) matrix of their bytes, without a copy."""
    if not len(names) or not length:
        return np.empty((len(names), length), dtype=np.uint8)
    offsets, data = names.buffers()[1:]
    begin = np.frombuffer(offsets, dtype=np.int32)[names.offset]
    text = np.frombuffer(data, dtype=np.uint8, count=len(names) * length, offset=int(begin))
    return text.reshape(len(names), length)


def _digests(prefix: bytes, names: _Bytes) -> _Bytes:
    """The first 16 bytes of SHA-1 of prefix + name, an (n, 16) matrix."""
    count, length = names.shape
    size = len(prefix) + length
    if size > _LONGEST_IN_A_BLOCK:
        texts = [hashlib.sha1(prefix + name.tobytes()).digest()[:16] for name in names]  # noqa: S324 - see RFC 9562
        return np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(-1, 16)
    parts = []
    for rows in np.array_split(names, max(1, round(count / _ROWS_AT_ONCE))):
        block = np.zeros((len(rows), _BLOCK_BYTES), dtype=np.uint8)
        block[:, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
        block[:, len(prefix) : size] = rows
        block[:, size] = 0x80
        block[:, -2:] = np.frombuffer((size * 8).to_bytes(2, "big"), dtype=np.uint8)
        words = _sha1(np.ascontiguousarray(block.view(">u4").T).astype(np.uint32))
        parts.append(np.ascontiguousarray(words[:4].T).astype(">u4").view(np.uint8))
    return np.concatenate(parts)


def _sha1(schedule: _Words) -> _Words:
    """SHA-1 of one block of 16 words each: (16, n) in, (5, n) out; `schedule` is overwritten. FIPS 180-4, 6.1.3."""
    w = list(schedule)
    count = schedule.shape[1]
    state = np.repeat(np.array(_START, dtype=np.uint32)[:, None], count, axis=1)
    a, b, c, d, e = state.copy()
    f, g = np.empty(count, dtype=np.uint32), np.empty(count, dtype=np.uint32)
    for turn in range(80):
        word = w[turn % 16]
        if turn >= 16:
            for back in (3, 8, 14):
                np.bitwise_xor(word, w[(turn - back) % 16], out=word)
            _rotate(word, 1, g)
        if turn < 20:  # d ^ (b & (c ^ d)) is "if b then c else d"
            np.bitwise_xor(c, d, out=f)
            np.bitwise_and(f, b, out=f)
            np.bitwise_xor(f, d, out=f)
        elif 40 <= turn < 60:  # the majority of b, c and d
            np.bitwise_or(c, d, out=f)
            np.bitwise_and(f, b, out=f)
            np.bitwise_and(c, d, out=g)
            np.bitwise_or(f, g, out=f)
        else:
            np.bitwise_xor(b, c, out=f)
            np.bitwise_xor(f, d, out=f)
        for term in (f, word, np.uint32(_ROUND_CONSTANTS[turn // 20])):
            np.add(e, term, out=e)
        np.copyto(f, a)
        np.add(e, _rotate(f, 5, g), out=e)
        _rotate(b, 30, g)
        a, b, c, d, e = e, a, b, c, d
    for total, part in zip(state, (a, b, c, d, e), strict=True):
        np.add(total, part, out=total)
    return state


def _rotate(words: _Words, bits: int, scratch: _Words) -> _Words:
    """Rotate to the left, in place."""
    np.right_shift(words, 32 - bits, out=scratch)
    np.left_shift(words, bits, out=words)
    return np.bitwise_or(words, scratch, out=words)
