"""Translated statements, and a cache of them: translating costs more than running a small statement.

A plan is what a statement becomes in DuckDB. It holds no data and no offsets: the window of a stream it reads comes
from DuckDB variables that are set before it runs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from local_snowflake.engine.access import Need
from local_snowflake.engine.locks import Mode
from local_snowflake.engine.slots import SlottedText
from local_snowflake.engine.streams import Stream
from local_snowflake.results import StatementType
from local_snowflake.syntax.names import Name

PLANS_KEPT = 512


@dataclass(frozen=True)
class Step:
    """One DuckDB statement.

    Attributes:
        label: under which its count of rows is reported; None for a step that is not reported.
        guard: the step counts rows that must not exist (source rows of a MERGE that update one row twice).
        repeatable: run again on the same data, it certainly gives the same (translate/repeatable.py).
    """

    text: SlottedText
    label: str | None = None
    guard: bool = False
    repeatable: bool = True


def step(sql: str, label: str | None = None, *, guard: bool = False, repeatable: bool = True) -> Step:
    """A step by its text."""
    return Step(SlottedText.of(sql), label, guard, repeatable)


@dataclass(frozen=True)
class Plan:
    """A statement ready to run, as the catalogue was at `version`.

    Attributes:
        needs: the privileges that it needs, whoever runs it.
    """

    kind: StatementType
    steps: tuple[Step, ...]
    streams: tuple[Stream, ...] = ()
    targets: Mapping[Name, Mode] = field(default_factory=dict)
    version: int = 0
    needs: tuple[Need, ...] = ()


K = TypeVar("K")
V = TypeVar("V")


@dataclass
class _Entry(Generic[V]):
    version: int
    value: V
    again: bool = False


class Versioned(Generic[K, V]):
    """What was worked out while the catalogue was at a version; forgotten when a definition changes."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[K, _Entry[V]] = OrderedDict()

    def get(self, key: K, version: int) -> V | None:
        with self._guard:
            found = self._kept.get(key)
            if found is None or found.version != version:
                return None
            found.again = True
            self._kept.move_to_end(key)
            return found.value

    def put(self, key: K, version: int, value: V, *, again: bool = False) -> None:
        with self._guard:
            self._kept[key] = _Entry(version, value, again)
            self._kept.move_to_end(key)
            while len(self._kept) > PLANS_KEPT:
                self._kept.popitem(last=False)

    def used_again(self, version: int) -> dict[K, V]:
        """What was asked for again after it had been put."""
        with self._guard:
            return {key: entry.value for key, entry in self._kept.items() if entry.again and entry.version == version}
