"""`dropship produce`: the shop's events into Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropship_dagster.cli.console import EXIT_FAILED, out, print_json, progress_bar, sentences, settings
from dropship_dagster.cli.signals import stop_on_signals
from dropship_dagster.endpoints import KafkaEndpoint, kafka_endpoint
from dropship_dagster.settings import Settings

if TYPE_CHECKING:
    from dropship_dagster.stream import ProduceReport

app = typer.Typer(no_args_is_help=True, help="Produce events: replay the CSV files, or a continuous stream.")


@app.command()
def replay(
    folder: Annotated[Path | None, typer.Option("--dir", help="The CSV files (DROPSHIP_DATA_DIR).")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Events a second, kept by schedule; 0: no limit.")] = 0.0,
    speed: Annotated[float | None, typer.Option(min=0, help="Time-lapse: so many times as fast as it was.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on where a killed replay of this folder ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Send customers, products and order events in event order. Twice has the effect of once.

    Ctrl-C drains what was sent and ends with the report. Exit code 1 if a message was not acknowledged.

    Example: dropship produce replay --rate 1000
    """
    from dropship_dagster import stream

    config = settings()
    with sentences(config.home), stop_on_signals() as stop, progress_bar() as progress:
        endpoint = prepare_topics(config)
        rejects = config.home / "rejects"
        report = stream.replay(
            endpoint.client_config,
            folder or config.data_dir,
            rate=rate,
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
    rate: Annotated[float, typer.Option(min=0.001, help="Events a second over all topics.")] = 10.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds; without it until stopped.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For the new orders (that of the files).")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="The shop that goes on (DROPSHIP_DATA_DIR).")] = None,
    daily_curve: Annotated[bool, typer.Option(help="Spread the rate over the day as customers do.")] = False,
    start: Annotated[
        str | None, typer.Option(help="Move the shop's clock forward: now, or a time such as 2026-07-01T09:00:00Z.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Send new customers and orders, the steps of open ones and changed stock, where the files or the last run ended.

    The shop has a clock of its own, which goes on where its history ends; the dashboard's "today" is the shop's.

    Ctrl-C drains what was sent and ends with the report. Exit code 1 if a message was not acknowledged.

    Example: dropship produce stream --rate 50 --duration 60
    """
    from dropship_dagster import stream

    config = settings()
    with sentences(config.home), stop_on_signals() as stop, progress_bar() as progress:
        begin = stream.moment(start) if start else None
        endpoint = prepare_topics(config)
        report = stream.live(
            endpoint.client_config,
            folder or config.data_dir,
            rate=rate,
            duration=duration,
            seed=seed,
            start=begin,
            daily_curve=daily_curve,
            state=config.home / "live.state",
            stop=stop,
            progress=progress,
            rejected_messages=config.home / "rejects" / "messages.jsonl",
            topic_names=stream.topic_names(config),
        )
    show(report, as_json=as_json)


def prepare_topics(config: Settings) -> KafkaEndpoint:
    """Make sure the topics exist as configured; say what differs."""
    from dropship_dagster import stream

    endpoint = kafka_endpoint(config)
    for state in stream.ensure_topics(endpoint.client_config, stream.topic_specs(config)):
        for difference in state.differs:
            out.print(f"[yellow]Topic {state.name}:[/] {difference}")
    return endpoint


def show(report: ProduceReport, *, as_json: bool) -> None:
    """Print what a producer did; exit 1 if anything it sent was not acknowledged."""
    if as_json:
        print_json(report.to_dict())
    else:
        wanted = f" of {report.requested_rate:,.0f} asked for" if report.requested_rate else ""
        out.print(
            f"Sent {report.sent:,}, acknowledged {report.acknowledged:,}, failed {report.failed:,}, "
            f"refused {report.refused:,} in {report.seconds:.1f} s: {report.achieved_rate:,.0f} events/s{wanted}."
        )
        if report.rejected_rows:
            out.print(f"[yellow]{report.rejected_rows:,} CSV rows broke the contract[/]: see {report.rejects_file}.")
        for error in report.errors:
            out.print(f"[red]{error}[/]")
    if report.failed:
        raise typer.Exit(EXIT_FAILED)
