"""The commands that talk to the warehouse: deploy, consume, refresh, verify, sql."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dropship_dagster.cli.console import (
    EXIT_BEHIND,
    EXIT_FAILED,
    err,
    log_in_json,
    out,
    plain,
    print_json,
    print_report,
    progress_bar,
    sentences,
    settings,
)
from dropship_dagster.cli.produce import prepare_topics
from dropship_dagster.cli.signals import stop_on_signals
from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import TRIGGERED

if TYPE_CHECKING:
    from dropship_dagster.warehouse import RebuildReport, VerifyReport

_VERDICTS = {
    "right": "[green]Every event is there once, and PROD is right.[/]",
    "behind": "[yellow]Right so far, but not everything has arrived.[/]",
    "wrong": "[red]Not right.[/]",
}


def deploy(
    accept_changed: Annotated[
        list[str] | None, typer.Option(help="A changed file whose change is in the database already: record it.")
    ] = None,
    topics: Annotated[bool, typer.Option("--topics", help="Create the Kafka topics as well.")] = False,
) -> None:
    """Create or migrate the database, roles, tables, streams, tasks and views. Twice changes nothing.

    Example: dropship deploy
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        if topics:
            kafka = prepare_topics(config)
            out.print(f"Topics {', '.join(config.topics)} on {kafka.bootstrap_servers}.")
        report = warehouse.deploy(
            warehouse_endpoint(config),
            accept_changed=accept_changed or (),
            progress=lambda name: err.print(f"  {name}"),
        )
        ran = ", ".join(report.applied) or "nothing to do"
        out.print(f"Database {report.database}: {ran}. The graph runs {_how_often(report.schedule)}.")
        if report.left_out:
            err.print(
                f"  Left out, as only ACCOUNTADMIN may: {', '.join(report.left_out)}. Without it nothing caps the "
                "credits: docs/snowflake.md has the statements."
            )


def _how_often(schedule: str) -> str:
    if schedule == TRIGGERED:
        return "whenever a stream has data"
    return f"by {schedule}" if schedule.startswith("USING") else f"every {schedule.lower()}"


def consume(
    max_events: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")] = None,
    follow: Annotated[bool, typer.Option(help="Go on until stopped; an event is in RAW within seconds.")] = False,
    share: Annotated[
        str, typer.Option(help="index/count: of several consumers, the partitions of this one; group: as Kafka shares.")
    ] = "0/1",
    refresh: Annotated[bool, typer.Option(help="With --follow: run the task graph after each load.")] = True,
    accept_gaps: Annotated[bool, typer.Option(help="Load on behind lost messages, and record them.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus metrics on this port (0: a free one).")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Where the metrics listen.")] = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Load what the topics hold into RAW, each message once. Ctrl-C commits what was fetched and ends with 0.

    With DROPSHIP_LOG_FORMAT=json, a line of JSON on standard error for each batch, retry and state, and for the error
    that ends it.

    Example: dropship consume --follow --metrics-port 9108
    """
    from dropship_dagster import warehouse
    from dropship_dagster.cli.progress import LoadedSoFar

    config = settings()
    run_id = str(uuid.uuid4())
    in_json = config.log_format == "json"
    if in_json:
        log_in_json(config.secrets, run_id=run_id)
    so_far = LoadedSoFar()
    with (
        sentences(config.home, facts=so_far.facts),
        stop_on_signals() as stop,
        progress_bar() as progress,
        ExitStack() as stack,
    ):
        index, _, count = ("0", "/", "1") if share == "group" else share.partition("/")
        if not (index.isdecimal() and count.isdecimal()):
            raise typer.BadParameter(f"{share!r} is neither index/count, like 0/3, nor group", param_hint="--share")
        options = warehouse.LoadOptions(
            max_events=max_events,
            max_seconds=max_seconds,
            follow=follow,
            share=(int(index), int(count)),
            group=share == "group",
            refresh=follow and refresh,
            accept_gaps=accept_gaps,
        )
        kafka = prepare_topics(config)
        endpoint = warehouse_endpoint(config)
        warehouse.prepare(endpoint)
        observer: warehouse.LoadObserver = so_far
        if metrics_port is not None:
            from dropship_dagster.warehouse.metrics import LoadMetrics, served
            from dropship_dagster.warehouse.observer import Observers

            metrics = LoadMetrics(kafka.client_config)
            observer = Observers(so_far, metrics)
            port = stack.enter_context(served(metrics, metrics_port, metrics_host))
            if not in_json:
                err.print(f"  metrics on http://{metrics_host}:{port}/metrics")
        report = warehouse.load(
            endpoint,
            kafka.client_config,
            warehouse.raw_tables(config),
            options,
            run_id=run_id,
            stop=stop,
            progress=lambda now: progress("events", now.events, now.expected),
            on_state=None if in_json else lambda state: err.print(plain(f"  {state}")),
            observer=observer,
        )
    if as_json:
        print_report(report.to_dict())
        return
    out.print(
        f"Loaded {report.events:,} events in {report.batches} batches, {report.seconds:.1f} s: "
        f"{report.events_per_second:,.0f} events/s ({report.ended})."
    )


def refresh(
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the whole graph.")] = 600,
    rebuild: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE", help="Compute this table of PROD anew instead (repeatable; ALL for every table)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run the task graph now, RAW -> STAGING -> PROD, and wait for it.

    With --rebuild, compute tables of PROD anew from what they are derived from: rows that are right stay untouched, the
    others are mended.

    Example: dropship refresh --rebuild DAILY_SALES
    """
    from dropship_dagster import warehouse

    config = settings()
    if rebuild:
        with sentences(config.home):
            rebuilt = warehouse.rebuild(warehouse_endpoint(config), rebuild)
        _show_rebuilt(rebuilt, as_json=as_json)
        return
    with sentences(config.home), stop_on_signals() as stop:
        report = warehouse.refresh(warehouse_endpoint(config), timeout=timeout, stop=stop)
    if as_json:
        print_report(report.to_dict())
        return
    table = Table("task", "state", "rows in its table", "seconds")
    for task in report.tasks:
        rows = "" if task.rows is None else f"{task.rows:,}"
        table.add_row(task.task, task.state, rows, "" if task.seconds is None else f"{task.seconds:.2f}")
    out.print(table)
    if report.schedule:
        out.print(report.schedule)


def _show_rebuilt(report: RebuildReport, *, as_json: bool) -> None:
    if as_json:
        print_report(report.to_dict())
        return
    table = Table("table", "wrong rows removed", "rows changed", "rows")
    for one in report.tables:
        table.add_row(f"PROD.{one.table}", f"{one.removed:,}", f"{one.changed:,}", f"{one.rows:,}")
    out.print(table)


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Decide whether every acknowledged event is in RAW once, typed or rejected once, and PROD right.

    Exit code 0: it is. 1: something is missing, doubled or different, or the question could not be answered. 3: right
    so far, but messages wait in Kafka (dropship consume) or in RAW (dropship refresh).

    Example: dropship verify --json
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        kafka = kafka_endpoint(config)
        report = warehouse.verify(warehouse_endpoint(config), client_config=kafka.client_config, topics=config.topics)
    if as_json:
        print_report(report.to_dict())
    else:
        _show_verdict(report)
    if not report.ok:
        raise typer.Exit(EXIT_FAILED if report.problems else EXIT_BEHIND)


def _show_verdict(report: VerifyReport) -> None:
    for topic, verdict in report.topics.items():
        in_kafka = "not in Kafka any more" if verdict.lag is None else f"{verdict.lag:,} still in Kafka"
        out.print(
            f"{topic:<15} {verdict.raw_rows:,} rows in RAW, {verdict.duplicates} twice, {verdict.gaps} missing, "
            f"{in_kafka}"
        )
    staging = report.staging
    out.print(
        f"{'STAGING':<15} {staging.accepted:,} accepted, {staging.rejected:,} rejected, "
        f"{report.waiting:,} waiting, {staging.missing - report.waiting:,} missing, {staging.doubled} twice"
    )
    for name, table in report.prod.items():
        out.print(f"{'PROD':<15} {name:<22} {table.rows:,} rows, {table.differences} differences")
    for problem in report.problems:
        out.print(plain(problem), style="red")
    for failure in report.stopped:
        out.print(
            plain(
                f"The loader ended at topic {failure.topic}, partition {failure.partition}, offset {failure.offset} "
                f"({failure.failed_at} UTC): {failure.error}"
            ),
            style="red",
        )
    if report.behind:
        out.print(f"[yellow]{report.behind:,} messages wait in Kafka: run `dropship consume`.[/]")
    if report.waiting:
        out.print(f"[yellow]{report.waiting:,} messages of RAW wait for the task graph: run `dropship refresh`.[/]")
    for name, table in report.prod.items():
        if table.merging:
            out.print(f"[yellow]Tasks have yet to merge into PROD.{name}: run `dropship refresh`.[/]")
    for notice in _notices(report):
        out.print(plain(notice), style="yellow")
    out.print(_VERDICTS[report.status])


def _notices(report: VerifyReport) -> Iterator[str]:
    """What is as it should be and somebody should know."""
    if report.conflicts.count:
        yield (
            f"{report.conflicts.count:,} messages contradict an accepted one and are rejected (`dropship rejected list "
            f"--reason conflict`), first: {report.conflicts.examples[0]['reason']}"
        )
    if report.holes.count:
        first = report.holes.examples[0]
        yield (
            f"{report.holes.count:,} orders wait for an event before their newest, first: {first['order_id']} has "
            f"version {first['version']}, and version {first['first_missing']} is missing"
        )


def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement, in the project's database.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as JSON objects.")] = False,
) -> None:
    """Run a statement on the warehouse and print what it returns.

    Example: dropship sql "SELECT STATUS, COUNT(*) AS ORDERS FROM PROD.ORDERS GROUP BY STATUS"
    """
    from dropship_dagster import warehouse

    config = settings()
    with (
        sentences(config.home),
        warehouse.connect(warehouse_endpoint(config), query_tag="dropship sql") as connection,
    ):
        cursor = connection.cursor().execute(statement)
        names = [column.name for column in cursor.description]
        rows = [tuple(row) for row in cursor.fetchall()]
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    table = Table(*names)
    for row in rows:
        table.add_row(*("" if value is None else plain(value) for value in row))
    out.print(table)
