"""Checks of PROD that concern several tables: money, references, histories, and the way from the CSV files."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dropship_dagster.checks import csv_and_prod, warehouse_scoreboard
from dropship_dagster.checks.csv_rules import CsvFiles
from dropship_dagster.checks.drift import DRIFTS
from dropship_dagster.checks.outcome import ERROR, fail_if_critical
from dropship_dagster.checks.rules import Query
from dropship_dagster.checks.settle import settled
from dropship_dagster.checks.warehouse_rules import RULES
from dropship_dagster.resources import WarehouseResource, user_errors
from dropship_dagster.settings import Settings


@dg.multi_asset_check(
    name="prod_checks",
    specs=[
        *(rule.spec(blocking=False) for rule in RULES),
        *(drift.spec for drift in DRIFTS),
        csv_and_prod.SPEC,
        warehouse_scoreboard.SPEC,
    ],
    can_subset=True,
)
def prod_checks(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
    """Ask PROD for the rows that break a rule, and compare it with the CSV files."""
    with user_errors(), warehouse.connect(f"dropship checks run={context.run.run_id}") as connection:

        def query(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
            cursor = connection.cursor().execute(sql)
            return [column.name for column in cursor.description], cursor.fetchall()

        results = settled(lambda: _results(context, query), warehouse.endpoint(), context.log)
    yield from fail_if_critical(results)


def _results(context: dg.AssetCheckExecutionContext, query: Query) -> Iterator[dg.AssetCheckResult]:
    for rule in RULES:
        if rule.key in context.selected_asset_check_keys:
            yield rule.evaluate(query)
    for drift in DRIFTS:
        if drift.spec.key in context.selected_asset_check_keys:
            yield drift.evaluate(query)
    if csv_and_prod.SPEC.key in context.selected_asset_check_keys:
        yield _way_from_the_files(query)
    if warehouse_scoreboard.SPEC.key in context.selected_asset_check_keys:
        yield warehouse_scoreboard.evaluate(Settings.load().data_dir, query)


def _way_from_the_files(query: Query) -> dg.AssetCheckResult:
    folder = Settings.load().data_dir
    if not (folder / "orders.csv").is_file():
        return dg.AssetCheckResult(
            asset_key=csv_and_prod.SPEC.asset_key,
            check_name=csv_and_prod.SPEC.name,
            passed=True,
            severity=ERROR,
            description=f"{folder} holds no orders.csv: there is nothing to compare with.",
        )
    with CsvFiles(folder, ("orders",)) as files:
        return csv_and_prod.evaluate(files, query)
