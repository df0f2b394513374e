"""Which planted faults the warehouse tells: those that no single row of a CSV file shows.

An unknown customer or product stays unknown, a total that does not add up is rejected, and what comes twice or late
must do no harm and is still seen in STAGING. A fault whose order was refused for another fault did not reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from dropship_dagster.assets.names import key
from dropship_dagster.checks.rules import Query
from dropship_dagster.checks.scoreboard import NOTHING_PLANTED, Line, result
from dropship_dagster.shop import Layer, read_truth
from dropship_dagster.shop.contract import CUSTOMERS, ORDER_EVENTS, ORDER_LINES, ORDERS, PRODUCTS
from dropship_dagster.shop.fault_injection import Fault

SPEC = dg.AssetCheckSpec(
    "planted_faults_are_seen",
    asset=key("prod/orders"),
    description="The faults that `dirty` planted and only the warehouse can tell are told, and nothing else is.",
)

_Key = tuple[str, ...]
"""An order, or an entity and its version."""

_DUPLICATES = """
SELECT {entity}, VERSION FROM STAGING.{table} GROUP BY {entity}, VERSION HAVING COUNT(*) > 1
"""

# The generator's files hold their events by time: one that is older than an earlier message of its partition is late.
_LATE = """
SELECT ORDER_ID, VERSION
FROM (
  SELECT ORDER_ID, VERSION, EVENT_TIME,
    MAX(EVENT_TIME) OVER (
      PARTITION BY TOPIC_ID, KAFKA_PARTITION ORDER BY KAFKA_OFFSET ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS NEWEST_BEFORE
  FROM STAGING.ORDER_EVENTS
)
WHERE EVENT_TIME < NEWEST_BEFORE
"""

_OUT_OF_ORDER = """
SELECT COUNT(*)
FROM (
  SELECT VERSION,
    MAX(VERSION) OVER (
      PARTITION BY ORDER_ID ORDER BY KAFKA_OFFSET ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS HIGHEST_BEFORE
  FROM STAGING.ORDER_EVENTS
)
WHERE VERSION < HIGHEST_BEFORE
"""

_UNKNOWN_CUSTOMERS = """
SELECT O.ORDER_ID, O.CUSTOMER_ID
FROM PROD.ORDERS O LEFT JOIN PROD.CUSTOMERS C ON C.CUSTOMER_ID = O.CUSTOMER_ID
WHERE O.CUSTOMER_ID IS NOT NULL AND C.CUSTOMER_ID IS NULL
"""

_UNKNOWN_PRODUCTS = """
SELECT L.ORDER_ID, L.PRODUCT_ID
FROM PROD.ORDER_LINES L LEFT JOIN PROD.PRODUCTS P ON P.PRODUCT_ID = L.PRODUCT_ID
WHERE P.PRODUCT_ID IS NULL
"""

_PLACED = "SELECT ORDER_ID FROM PROD.ORDERS WHERE PLACED_AT IS NOT NULL"

_REJECTED_TOTALS = """
SELECT PAYLOAD:order_id::VARCHAR FROM STAGING.REJECTED_EVENTS WHERE REJECT_REASON LIKE 'total %'
"""

_REPLAYS = """
SELECT COUNT(*) / NULLIF(COUNT(DISTINCT CUSTOMER_ID || '/' || VERSION), 0) FROM STAGING.CUSTOMER_EVENTS
"""
_SENT_AGAIN = 1.5
"""Messages a customer: above it the files were sent more than once, for the dial spoils at most half of the rows."""


def evaluate(folder: Path, query: Query) -> dg.AssetCheckResult:
    """Compare what the warehouse tells with the truth beside the files."""
    truth = read_truth(folder)
    if not truth:
        return result(SPEC, (), NOTHING_PLANTED)
    board = _Board(truth, query)
    lines = [*board.references(), board.totals()]
    metadata: dict[str, Any] = {}
    sent_again = float(_one(query, _REPLAYS) or 0) > _SENT_AGAIN
    if not sent_again:
        lines += [*board.duplicates(), board.late()]
        metadata["out_of_order"] = int(_one(query, _OUT_OF_ORDER) or 0)
    reached, found = sum(line.reached for line in lines), sum(line.found for line in lines)
    false = sum(line.false_alarms or 0 for line in lines)
    again = " The files were sent more than once, so what came twice or late was not looked for." if sent_again else ""
    return result(SPEC, lines, f"{found:,} of {reached:,} faults are told, {false:,} false alarms.{again}", metadata)


class _Board:
    """The truth, and what it takes to compare it."""

    def __init__(self, truth: list[Fault], query: Query) -> None:
        self._truth = truth
        self._query = query
        self._placed = self._keys(_PLACED)
        """Orders whose placement was accepted."""

    def references(self) -> Iterator[Line]:
        """Orders of customers, and lines with products, that nobody knows."""
        for told, table, parent in (
            (_UNKNOWN_CUSTOMERS, ORDERS, CUSTOMERS),
            (_UNKNOWN_PRODUCTS, ORDER_LINES, PRODUCTS),
        ):
            lost = {
                fault.entity for fault in self._truth if fault.file == parent.file and fault.layer == Layer.CSV.value
            }
            # A parent that was refused is unknown to all its children: that follows from another fault.
            found: set[_Key] = {(order,) for order, reference in self._rows(told) if reference not in lost}
            planted = self._planted("unknown_reference", table.file)
            yield self._line(f"unknown_reference in {table.file}", planted, planted & self._placed, found)

    def totals(self) -> Line:
        """Orders whose total is not that of their lines. A line that was refused makes a total wrong as well."""
        planted = self._planted("wrong_total", ORDERS.file)
        spoilt = self._planted(None, ORDER_LINES.file, ORDERS.file) - planted
        rejected = self._keys(_REJECTED_TOTALS)
        return self._line("wrong_total", planted, planted & (rejected | self._placed), rejected - spoilt)

    def duplicates(self) -> Iterator[Line]:
        """What came twice, by file."""
        for file, table, entity in (
            (CUSTOMERS.file, "CUSTOMER_EVENTS", "CUSTOMER_ID"),
            (PRODUCTS.file, "PRODUCT_EVENTS", "PRODUCT_ID"),
            (ORDER_EVENTS.file, "ORDER_EVENTS", "ORDER_ID"),
        ):
            planted = self._planted("duplicate", file)
            reached = planted & self._keys(f"SELECT DISTINCT {entity}, VERSION FROM STAGING.{table}")
            yield self._line(
                f"duplicate in {file}", planted, reached, self._keys(_DUPLICATES.format(entity=entity, table=table))
            )

    def late(self) -> Line:
        """Events that came after younger ones. The second copy of a duplicate comes late too."""
        planted = self._planted("late_event", ORDER_EVENTS.file)
        reached = planted & self._keys("SELECT DISTINCT ORDER_ID, VERSION FROM STAGING.ORDER_EVENTS")
        twice = self._planted("duplicate", ORDER_EVENTS.file)
        return self._line("late_event", planted, reached, self._keys(_LATE) - twice)

    def _planted(self, kind: str | None, *files: str) -> set[_Key]:
        """The faults of a kind, or of every kind, in these files."""
        wanted = [fault for fault in self._truth if fault.file in files and kind in (None, fault.kind)]
        versioned = kind in ("duplicate", "late_event")
        return {(fault.entity, fault.version) if versioned else (fault.entity,) for fault in wanted}

    def _line(self, kind: str, planted: set[_Key], reached: set[_Key], told: set[_Key]) -> Line:
        return Line("warehouse", kind, len(planted), len(reached), len(told & reached), len(told - planted))

    def _keys(self, sql: str) -> set[_Key]:
        return {tuple(str(value) for value in row) for row in self._rows(sql)}

    def _rows(self, sql: str) -> Iterable[tuple[Any, ...]]:
        return self._query(sql)[1]


def _one(query: Query, sql: str) -> Any:
    return query(sql)[1][0][0]
