"""How results of checks become results of a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

MAX_SAMPLES = 5
"""How many failing rows a result shows."""

ERROR = dg.AssetCheckSeverity.ERROR
WARN = dg.AssetCheckSeverity.WARN


def fail_if_critical(results: Iterable[dg.AssetCheckResult]) -> Iterator[dg.AssetCheckResult]:
    """Pass on every result, then fail the step when a critical one was among the failed.

    Raises:
        dagster.Failure: names the failed checks; never retried, because a check says the same of the same data.
    """
    failed = []
    for result in results:
        if not result.passed and result.severity == ERROR:
            failed.append(f"{key_of(result).asset_key.to_user_string()}: {result.description or result.check_name}")
        yield result
    if failed:
        raise dg.Failure(description=" ".join(failed), allow_retries=False)


def key_of(result: dg.AssetCheckResult) -> dg.AssetCheckKey:
    """The check that a result is of; every result of ours names it."""
    if result.asset_key is None or result.check_name is None:
        raise ValueError("A check's result names neither its asset nor its check.")
    return dg.AssetCheckKey(result.asset_key, result.check_name)


def sample_table(columns: list[str], rows: Iterable[tuple[Any, ...]]) -> dg.MetadataValue[Any]:
    """A few failing rows, as data and never as markup: the UI and the report escape them."""
    records = [dg.TableRecord({name: _cell(value) for name, value in zip(columns, row, strict=True)}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns])
    return dg.MetadataValue.table(records=records[:MAX_SAMPLES], schema=schema)


def _cell(value: Any) -> str:
    return "NULL" if value is None else str(value)
