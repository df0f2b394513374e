"""`dropship produce`: the shop's events into Kafka."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dropship_dagster.cli.console import (
    ALLOW_SHARED_IDS,
    EXIT_FAILED,
    err,
    out,
    print_report,
    progress_bar,
    sentences,
    settings,
)
from dropship_dagster.cli.signals import stop_on_signals
from dropship_dagster.clock import FASTEST, SLOWEST
from dropship_dagster.endpoints import KafkaEndpoint, kafka_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.shop.rejects import REJECT_SHARE

if TYPE_CHECKING:
    from dropship_dagster.shop import DataSet, Record
    from dropship_dagster.stream import ProduceReport

_SHOWN_REJECTS = 5

app = typer.Typer(no_args_is_help=True, help="Produce events: replay the CSV files, or a continuous stream.")


@app.command()
def replay(
    folder: Annotated[Path | None, typer.Option("--dir", help="The CSV files (DROPSHIP_DATA_DIR).")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Events a second, kept by schedule; 0: no limit.")] = 0.0,
    speed: Annotated[float | None, typer.Option(min=0, help="Time-lapse: so many times as fast as it was.")] = None,
    reject_share: Annotated[
        float, typer.Option(min=0, max=1, help="The share of a file's rows that may break the contract; more stop it.")
    ] = REJECT_SHARE,
    resume: Annotated[bool, typer.Option(help="Go on where a killed replay of this folder ended.")] = False,
    allow_shared_ids: Annotated[bool, typer.Option("--allow-shared-ids", help=ALLOW_SHARED_IDS)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Send customers, products and order events in event order. Twice has the effect of once.

    New orders alone may be sent, without the files of customers and products that were sent before.

    Another data set than the warehouse holds, with the same identifiers, is refused before anything is sent.

    Ctrl-C drains what was sent and ends with the report. Exit code 1 if something was left out: a row that breaks the
    contract, a message that is too large, or one that was not acknowledged. The others are sent.

    Example: dropship produce replay --rate 1000
    """
    from dropship_dagster import shop, stream

    config = settings()
    with sentences(config.home), stop_on_signals() as stop, progress_bar() as progress:
        endpoint = prepare_topics(config)
        rejects = config.home / "rejects"
        seeds = folder or config.data_dir
        missing = shop.known_before(seeds)
        if missing and not as_json:
            out.print(f"[yellow]{' and '.join(missing)} are not in {seeds}[/]: taken as sent before.")
        _admit(config, shop.data_set(seeds), allow_shared=allow_shared_ids)
        report = stream.replay(
            endpoint.client_config,
            seeds,
            rate=rate,
            reject_share=reject_share,
            speed=speed,
            stop=stop,
            progress=progress,
            resume=config.home / "replay.checkpoint" if resume else None,
            rejected_rows=rejects / "rows.csv",
            rejected_messages=rejects / "messages.jsonl",
            topic_names=stream.topic_names(config),
        )
    show(report, as_json=as_json)


@app.command(name="stream")
def stream_orders(
    clock: Annotated[
        float | None,
        typer.Option(
            min=SLOWEST,
            max=FASTEST,
            help="The shop's clock: so many times as fast as ours (DROPSHIP_SHOP_CLOCK: 1440, a shop day a minute).",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="A load test: events a second over all topics, instead of the shop's demand."),
    ] = None,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds; without it until stopped.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For the new orders (that of the files).")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="The shop that goes on (DROPSHIP_DATA_DIR).")] = None,
    daily_curve: Annotated[bool, typer.Option(help="Spread a rate over the day as customers do.")] = False,
    start: Annotated[
        str | None, typer.Option(help="Move the shop's clock forward: now, or a time such as 2026-07-01T09:00:00Z.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Where it goes on from (live.state in DROPSHIP_HOME); one for each set of topics."),
    ] = None,
    allow_shared_ids: Annotated[bool, typer.Option("--allow-shared-ids", help=ALLOW_SHARED_IDS)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Send new customers and orders, the steps of open ones and changed stock, where the files or the last run ended.

    The shop has a clock of its own, a time-lapse that goes on where its history ends: by that clock it sells by the
    demand of its history, and its orders live as long. --rate sells as much as it takes, at our pace.

    Ctrl-C drains what was sent and ends with the report. Exit code 1 if a message was too large or not acknowledged.

    Examples: dropship produce stream     dropship produce stream --rate 50 --duration 60
    """
    from dropship_dagster import shop, stream

    if rate is not None and clock is not None:
        raise typer.BadParameter("--rate is a load test at our pace, --clock a time-lapse: give one of them.")
    config = settings()
    pace: dict[str, Any] = {"clock": clock or config.shop_clock, "rate": rate, "daily_curve": daily_curve}
    with sentences(config.home), stop_on_signals() as stop, progress_bar() as progress:
        begin = stream.moment(start) if start else None
        endpoint = prepare_topics(config)
        seeds, state = folder or config.data_dir, state or config.home / "live.state"
        opening = stream.opening(seeds, state=state, seed=seed, start=begin, **pace)
        _admit(config, shop.stream_of(shop.data_set(seeds)), opening, allow_shared=allow_shared_ids)
        report = stream.live(
            endpoint.client_config,
            seeds,
            duration=duration,
            seed=seed,
            start=begin,
            state=state,
            stop=stop,
            progress=progress,
            rejected_messages=config.home / "rejects" / "messages.jsonl",
            topic_names=stream.topic_names(config),
            **pace,
        )
    show(report, as_json=as_json)


def _admit(config: Settings, data_set: DataSet, opening: Sequence[Record] = (), *, allow_shared: bool = False) -> None:
    """Refuse a data set whose identifiers the warehouse knows as another's; say what was not checked."""
    from dropship_dagster import warehouse

    for note in warehouse.admit(config, data_set, opening=opening, allow_shared=allow_shared).notes:
        err.print(f"[yellow]{escape(note)}[/]")


def prepare_topics(config: Settings) -> KafkaEndpoint:
    """Make sure the topics exist as configured; say what differs."""
    from dropship_dagster import stream

    endpoint = kafka_endpoint(config)
    for state in stream.ensure_topics(endpoint.client_config, stream.topic_specs(config)):
        for difference in state.differs:
            out.print(f"[yellow]Topic {state.name}:[/] {difference}")
    return endpoint


def show(report: ProduceReport, *, as_json: bool) -> None:
    """Print what a producer did; exit 1 if anything was left out or not acknowledged."""
    if as_json:
        print_report(report.to_dict())
    else:
        wanted = f" of {report.requested_rate:,.0f} asked for" if report.requested_rate else ""
        out.print(
            f"Sent {report.sent:,}, acknowledged {report.acknowledged:,}, failed {report.failed:,}, "
            f"refused {report.refused:,} in {report.seconds:.1f} s: {report.achieved_rate:,.0f} events/s{wanted}."
        )
        if report.shop_clock:
            out.print(f"Shop's clock: {report.shop_clock}.")
        if report.rejected_rows:
            out.print(f"[red]{report.rejected_rows:,} CSV rows were left out[/]: see {report.rejects_file}.")
            for line in _first_rejects(report.rejects_file):
                out.print(f"  {line}", markup=False)
        for error in report.errors:
            out.print(f"[red]{error}[/]")
    if report.failed or report.refused or report.rejected_rows:
        raise typer.Exit(EXIT_FAILED)


def _first_rejects(path: str | None) -> list[str]:
    """The first rows that were left out, a line each."""
    if path is None:
        return []
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = itertools.islice(csv.DictReader(file), _SHOWN_REJECTS)
        return [f"{row['file']}:{row['line']} {row['column']}: {row['reason']}" for row in rows]
