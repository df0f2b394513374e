"""Headers of messages as the loader keeps them: a JSON array of [name, value] pairs, in order, repetitions included.

Kafka asks for names in UTF-8, brokers do not check it, and confluent-kafka cannot give a name that is not: such a name
is null here. Names are C strings to librdkafka, so a name ends before its first NUL byte.
"""

from __future__ import annotations

import base64
import gc
import json
from collections.abc import Sequence
from operator import methodcaller

from confluent_kafka import Message

Header = tuple[str | None, bytes | None]

TIMESTAMP_HEADER = "dropship.kafka-timestamp"
"""Added behind the headers of a message whose timestamp no TIMESTAMP can hold: its milliseconds, in decimal digits."""

# The interpreter asks a method that it calls often from bytecode no longer whether it left an exception behind; calls
# from C are always checked.
_headers = methodcaller("headers")
_UNREADABLE: list[Header] = [(None, None)]
_REMEMBERED = 1_000
_REMEMBERED_CHARACTERS = 1_000


def read_headers(messages: Sequence[Message]) -> list[list[Header] | None]:
    """The headers of each message; None for none. Headers that the client cannot give fail no message."""
    try:
        return list(map(_headers, messages))
    except (SystemError, UnicodeDecodeError):
        return list(map(_read_carefully, messages))


class HeaderText:
    """Writes headers as JSON, and remembers the short ones: nearly all messages have the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[Header, ...], str] = {}

    def of(self, headers: Sequence[Header] | None) -> str | None:
        """The JSON; None for no headers."""
        if not headers:
            return None
        key = tuple(headers)
        text = self._known.get(key)
        if text is None:
            text = json.dumps([[name, _readable(value)] for name, value in headers], ensure_ascii=False)
            if len(text) <= _REMEMBERED_CHARACTERS and len(self._known) < _REMEMBERED:
                self._known[key] = text
        return text


def _read_carefully(message: Message) -> list[Header] | None:
    """Headers of which some name may not be UTF-8.

    The client's first answer is then a SystemError. Its second is a list in which the pair of such a header holds no
    name at all, not even None: to read it would end the process.
    """
    for _ in range(2):
        try:
            found = _headers(message)
        except (SystemError, UnicodeDecodeError):
            continue
        return None if found is None else [_pair(header) for header in found]
    return _UNREADABLE


def _pair(header: tuple[str, bytes | None]) -> Header:
    both = len(gc.get_referents(header)) == 2  # what a tuple visibly holds, looked at without touching it
    return (header[0] if both else None, header[1])


def _readable(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
