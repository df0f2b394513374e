"""`dropship rejected`: messages that broke the rules, why, and another try."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from dropship_dagster.cli.console import out, print_json, sentences, settings
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError

app = typer.Typer(no_args_is_help=True, help="Rejected messages: list, show, correct, retry.")

Topic = Annotated[str | None, typer.Option(help="Only this topic.")]
Reason = Annotated[str | None, typer.Option(help="Only reasons that contain this text.")]


@app.command(name="list")
def list_messages(
    topic: Topic = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, values included.")] = False,
) -> None:
    """List rejected messages and why.

    Example: dropship rejected list --reason version
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        found = warehouse.list_rejected(
            warehouse_endpoint(config), warehouse.Selection(topic=topic, reason=reason), limit=limit
        )
    if as_json:
        print_json([message.to_dict() for message in found])
        return
    table = Table("topic", "partition", "offset", "attempt", "reason")
    for message in found:
        place = (message.topic, str(message.partition), str(message.offset), str(message.attempt))
        table.add_row(*place, message.reason)
    out.print(table if found else "No message is rejected.")


@app.command()
def show(topic: str, partition: int, offset: int) -> None:
    """Print one rejected message as JSON.

    Example: dropship rejected show orders_events 3 1042
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        print_json(warehouse.show_rejected(warehouse_endpoint(config), topic, partition, offset).to_dict())


@app.command()
def correct(
    topic: str, partition: int, offset: int, payload: Annotated[str, typer.Argument(help="The JSON it should be.")]
) -> None:
    """Give a rejected message another payload for its next retry; RAW keeps it as it came.

    Example: dropship rejected correct orders_events 3 1042 '{"event_id": ...}'
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        try:
            value = json.loads(payload)
        except ValueError as error:
            raise DropshipError(
                f"The payload is not JSON ({error}): give one JSON object, quoted for the shell."
            ) from None
        warehouse.correct(warehouse_endpoint(config), topic, partition, offset, value)
        out.print("Corrected. `dropship rejected retry` and `dropship refresh` send it through the rules again.")


@app.command()
def retry(topic: Topic = None, reason: Reason = None) -> None:
    """Send rejected messages through the rules again, with the next refresh. Each lands once.

    Example: dropship rejected retry --topic orders_events
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        report = warehouse.retry_rejected(warehouse_endpoint(config), warehouse.Selection(topic=topic, reason=reason))
        out.print(f"{report.retried:,} messages go through the rules again with the next refresh (dropship refresh).")
