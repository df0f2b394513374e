"""The last small results of a session, for TABLE(RESULT_SCAN(query id)).

Source: docs.snowflake.com/en/sql-reference/functions/result_scan.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from local_snowflake.errors import Code, SnowflakeError
from local_snowflake.results import Column, Result
from local_snowflake.syntax.names import quote
from local_snowflake.translate.repeatable import RESULT_PREFIX

_RESULTS, _BYTES = 4, 1 << 20
"""How many results are kept, and how large one of them may be."""


class ResultCache:
    """Results by query id; larger ones are read once and gone."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[list[Column], list[pa.RecordBatch]]] = OrderedDict()

    def keep(self, query_id: str, result: Result) -> None:
        """Keep the result when it has been read to its end, if it is small."""
        if result.counts is not None:
            row = pa.RecordBatch.from_arrays(
                [pa.array([count], pa.int64()) for count in result.counts.values()], names=list(result.counts)
            )
            self._put(query_id, result.columns, [row])
        elif result.upload is None:
            result.batches = self._kept_on_the_way(query_id, result.columns, result.batches)

    def _kept_on_the_way(self, query_id: str, columns: list[Column], batches: Iterator[Any]) -> Iterator[Any]:
        seen: list[pa.RecordBatch] | None = []
        size = 0
        for batch in batches:
            size += batch.nbytes
            seen = [*seen, batch] if seen is not None and size <= _BYTES else None
            yield batch
        if seen is not None:
            self._put(query_id, columns, seen)

    def _put(self, query_id: str, columns: list[Column], batches: list[pa.RecordBatch]) -> None:
        self._kept[query_id] = (columns, batches)
        while len(self._kept) > _RESULTS:
            self._kept.popitem(last=False)

    def scan(self, query_id: str) -> tuple[str, pa.Table | None]:
        """The DuckDB query of a result, and the rows it reads as `scanned_table`; None for none.

        Raises:
            SnowflakeError: 000705, the result is not kept (any more).
        """
        found = self._kept.get(query_id)
        if found is None:
            raise SnowflakeError(
                f"The result of query {query_id} is not kept: only the last {_RESULTS} of this session are, each up to "
                f"{_BYTES >> 20} MB; run it again.",
                Code.NO_RESULT,
                "02000",
            )
        columns, batches = found
        source = "c{}" if batches else "NULL"
        listed = ", ".join(
            f"CAST({source.format(index)} AS {_typed(column.kind)}) AS {quote(column.name)}"
            for index, column in enumerate(columns)
        )
        if not batches:
            return f"SELECT {listed} WHERE FALSE", None
        rows = pa.Table.from_batches(batches).rename_columns([f"c{index}" for index in range(len(columns))])
        return f"SELECT {listed} FROM {scanned_table(query_id)}", rows


def _typed(kind: str) -> str:
    return "VARCHAR" if kind in ("NULL", '"NULL"') else kind


def scanned_table(query_id: str) -> str:
    """The name under which DuckDB finds the rows of a result."""
    return f"{RESULT_PREFIX}{query_id.replace('-', '')}"
