"""`dropship rejected`: messages that broke the rules, why, and another try."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from dropship_dagster.cli.console import out, plain, print_json, sentences, settings
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError

if TYPE_CHECKING:
    from dropship_dagster.warehouse import RejectedMessage

app = typer.Typer(no_args_is_help=True, help="Rejected messages: list, show, correct, retry.")

Topic = Annotated[str | None, typer.Option(help="Only this topic.")]
TopicId = Annotated[
    str | None, typer.Option(help="Only the topic with this id, of those that have had the name.", metavar="UUID")
]
Reason = Annotated[str | None, typer.Option(help="Only reasons that contain this text.")]


@app.command(name="list")
def list_messages(
    topic: Topic = None,
    reason: Reason = None,
    topic_id: TopicId = None,
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
            warehouse_endpoint(config),
            warehouse.Selection(topic=topic, reason=reason, topic_id=topic_id),
            limit=limit,
        )
    if as_json:
        print_json([message.to_dict() for message in found])
        return
    if found:
        out.print(table_of(found))
    elif topic or topic_id or reason:
        out.print("No rejected message is of this topic and reason; without options, all are listed.")
    else:
        out.print("No message is rejected.")


def table_of(found: Sequence[RejectedMessage]) -> Table:
    """Where each message is and why it was rejected; the topic's id too where topics of one name are among them."""
    topics = {(message.topic, message.topic_id) for message in found}
    several = len(topics) > len({topic for topic, _ in topics})
    table = Table()
    # What names a message stays whole however narrow the terminal is: `show` and `correct` are told it.
    for name in ("topic", *(["topic id"] if several else []), "partition", "offset", "attempt"):
        table.add_column(name, no_wrap=True, overflow="ignore")
    table.add_column("reason", overflow="fold", min_width=16)
    for message in found:
        ids = [message.topic_id] if several else []
        place = (message.topic, *ids, str(message.partition), str(message.offset), str(message.attempt))
        table.add_row(*map(plain, (*place, message.reason)))
    return table


@app.command()
def show(topic: str, partition: int, offset: int, topic_id: TopicId = None) -> None:
    """Print one rejected message as JSON; a payload that no reader of JSON takes as text.

    Example: dropship rejected show orders_events 3 1042
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        message = warehouse.show_rejected(warehouse_endpoint(config), topic, partition, offset, topic_id=topic_id)
        print_json(message.to_dict())


@app.command()
def correct(
    topic: str,
    partition: int,
    offset: int,
    payload: Annotated[str, typer.Argument(help="The JSON it should be.")],
    topic_id: TopicId = None,
) -> None:
    """Give a rejected message another payload for its next retry; RAW keeps it as it came.

    Example: dropship rejected correct orders_events 3 1042 '{"event_id": ...}'
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        value = json_object(payload)
        warehouse.correct(warehouse_endpoint(config), topic, partition, offset, value, topic_id=topic_id)
        out.print("Corrected. `dropship rejected retry` and `dropship refresh` send it through the rules again.")


@app.command(name="set-aside")
def set_aside(
    topic: str,
    partition: int,
    offset: int,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
    topic_id: TopicId = None,
) -> None:
    """Take an accepted event out of STAGING and PROD again: it becomes a rejected one, to correct and retry.

    Example: dropship rejected set-aside orders_events 3 1042 --reason "test order"
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        endpoint = warehouse_endpoint(config)
        warehouse.set_aside(endpoint, topic, partition, offset, reason, topic_id=topic_id)
        out.print("Set aside. `dropship refresh` counts the days that it was part of anew.")


@app.command()
def retry(topic: Topic = None, reason: Reason = None, topic_id: TopicId = None) -> None:
    """Send rejected messages through the rules again, with the next refresh. Each lands once.

    Example: dropship rejected retry --topic orders_events
    """
    from dropship_dagster import warehouse

    config = settings()
    with sentences(config.home):
        selection = warehouse.Selection(topic=topic, reason=reason, topic_id=topic_id)
        report = warehouse.retry_rejected(warehouse_endpoint(config), selection)
        out.print(f"{report.retried:,} messages go through the rules again with the next refresh (dropship refresh).")


def json_object(text: str) -> dict[str, Any]:
    """What `correct` is given.

    Raises:
        DropshipError: it is no JSON object, or one of which JSON has no text.
    """
    from dropship_dagster.warehouse.rejected import finite

    fix = "give one JSON object, quoted for the shell."
    try:
        value = json.loads(text, parse_float=finite, parse_constant=finite, object_pairs_hook=_each_key_once)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise DropshipError(f"The payload nests too deeply: {fix}") from None
    except UnicodeEncodeError:
        raise DropshipError(f"The payload has half a surrogate pair, which is not Unicode: {fix}") from None
    except ValueError as error:
        raise DropshipError(f"The payload is not JSON ({error}): {fix}") from None
    if not isinstance(value, dict):
        raise DropshipError(f"The payload is JSON, but no object: {fix}")
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found
