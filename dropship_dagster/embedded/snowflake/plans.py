"""Translated statements, and a cache of them: translating costs more than running a small statement.

A plan is what a statement becomes in DuckDB. It holds no data and no offsets: the window of a stream it reads comes
from DuckDB variables that are set before it runs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from .locks import Mode
from .names import Name
from .results import StatementType
from .streams import Stream

_KEPT = 512


@dataclass(frozen=True)
class Step:
    """One DuckDB statement.

    Attributes:
        label: under which its count of rows is reported; None for a step that is not reported.
        guard: the step counts rows that must not exist (source rows of a MERGE that update one row twice).
    """

    sql: str
    label: str | None = None
    guard: bool = False


@dataclass(frozen=True)
class Plan:
    """A statement ready to run, as the catalogue was at `version`."""

    kind: StatementType
    steps: tuple[Step, ...]
    streams: tuple[Stream, ...] = ()
    targets: Mapping[Name, Mode] = field(default_factory=dict)
    version: int = 0


class Plans:
    """Plans by text, database and schema; all forgotten when a definition changes."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._plans: OrderedDict[tuple[str, str | None, str | None], Plan] = OrderedDict()

    def get(self, key: tuple[str, str | None, str | None], version: int) -> Plan | None:
        with self._guard:
            plan = self._plans.get(key)
            if plan is None or plan.version != version:
                return None
            self._plans.move_to_end(key)
            return plan

    def put(self, key: tuple[str, str | None, str | None], plan: Plan) -> None:
        with self._guard:
            self._plans[key] = plan
            self._plans.move_to_end(key)
            while len(self._plans) > _KEPT:
                self._plans.popitem(last=False)
