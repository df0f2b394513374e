"""`dropship demo`: the whole pipeline once, and a summary of what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from dropship_dagster.cli.console import ALLOW_SHARED_IDS, EXIT_FAILED, out, sentences, settings
from dropship_dagster.cli.jobs import run, show_outcome
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.settings import Settings

if TYPE_CHECKING:
    from dropship_dagster.automation.run import JobReport

_TOP_PRODUCTS = 5


def demo(
    allow_shared_ids: Annotated[bool, typer.Option("--allow-shared-ids", help=ALLOW_SHARED_IDS)] = False,
) -> None:
    """Generate the shop, produce, load, merge, check, and sum up. Exit code 1 if a step or a critical check fails.

    Other checks warn: they are named, and the exit code is 0.

    Files of your own in DROPSHIP_DATA_DIR are used as they are, and nothing is generated. Generated ones that are other
    than what is to be generated are replaced, unless the warehouse holds another data set with the same identifiers.

    Runs the Dagster job full_pipeline; the run is there to see in the UI afterwards (dropship up).

    Example: DROPSHIP_ORDERS=20000 dropship demo
    """
    from dropship_dagster import shop

    config = settings()
    with sentences(config.home):
        own = shop.own_files(config.data_dir)
        if own:
            out.print(f"[yellow]{shop.used_as_they_are(config.data_dir, own)}[/]")
        allowed = {"config": {"allow_shared_ids": allow_shared_ids}}
        steps = {"ops": {"seeds": allowed, "topics": allowed}}
        report = run(
            config, "full_pipeline", "Running the pipeline: seeds, Kafka, RAW, STAGING, PROD, checks ...", steps
        )
        if report.success:
            _stations(config)
            _shop(config)
        show_outcome(report)
        _timings(report)
        if not report.success:
            raise typer.Exit(EXIT_FAILED)
        _next_steps(config)


def _stations(config: Settings) -> None:
    """Rows at every station, from the files to PROD."""
    from dropship_dagster import shop, stream
    from dropship_dagster.endpoints import kafka_endpoint

    table = Table(title="Rows at each stage", title_justify="left")
    for column in ("station", "table", "rows"):
        table.add_column(column, justify="right" if column == "rows" else "left")
    for name, rows in shop.row_counts(config.data_dir).items():
        table.add_row("CSV", name, f"{rows:,}")
    for topic, offsets in stream.partitions(kafka_endpoint(config).client_config, config.topics).items():
        held = sum(partition.high - partition.low for partition in offsets.partitions)
        table.add_row("Kafka", topic, f"{held:,}")
    stations = _query(config, "SELECT STATION, TABLE_NAME, ROWS_THERE FROM PROD.V_PIPELINE_STATIONS ORDER BY POSITION")
    for station, name, count in stations:
        table.add_row(station, name, f"{count:,}")
    out.print(table)


def _shop(config: Settings) -> None:
    """Revenue and what sold best."""
    columns = "ORDERS, REVENUE, MARGIN, AVERAGE_ORDER_VALUE, CUSTOMERS, PRODUCTS"
    [(orders, revenue, margin, average, customers, products)] = _query(config, f"SELECT {columns} FROM PROD.V_KPIS")
    out.print(
        f"\nThe shop: {orders:,} orders, {revenue:,.2f} EUR revenue, {margin:,.2f} EUR margin, "
        f"{average:,.2f} EUR an order; {customers:,} customers, {products:,} products\n"
    )
    table = Table(title="Top products", title_justify="left")
    for column in ("product", "category", "units", "sales, EUR"):
        table.add_column(column, justify="left" if column in ("product", "category") else "right")
    best = _query(
        config,
        "SELECT NAME, CATEGORY, UNITS, AMOUNT FROM PROD.V_TOP_PRODUCTS ORDER BY AMOUNT DESC, PRODUCT_ID "
        f"LIMIT {_TOP_PRODUCTS}",
    )
    for name, category, units, amount in best:
        table.add_row(name, category, f"{units:,}", f"{amount:,.2f}")
    out.print(table)


def _timings(report: JobReport) -> None:
    slowest = sorted(report.seconds.items(), key=lambda item: -item[1])[:5]
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in slowest)
    out.print(f"Took {report.total_seconds:.1f} s; the longest steps: {steps}")


def _next_steps(config: Settings) -> None:
    out.print(
        f"\nReport     {config.reports_dir / 'validation.json'}\n"
        "See it     make up        the Dagster UI and the dashboard, live\n"
        "Prove it   make verify    every event exactly once\n"
        'Ask it     .venv/bin/dropship sql "SELECT * FROM PROD.V_KPIS"\n'
        "Stop it    make down      the local services stop, the data stays"
    )


def _query(config: Settings, sql: str) -> list[tuple[Any, ...]]:
    from dropship_dagster import warehouse

    with warehouse.connect(warehouse_endpoint(config), query_tag="dropship demo") as connection:
        rows = connection.cursor().execute(sql).fetchall()
    return [tuple(row) for row in rows]
