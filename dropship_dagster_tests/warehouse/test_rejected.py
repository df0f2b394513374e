"""Rejected messages are listed, shown and corrected, whatever is in them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import AdminClient
from rich.console import Console

from dropship_dagster import warehouse
from dropship_dagster.cli.rejected import json_object, table_of
from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.warehouse import (
    NotDeployedError,
    RejectedMessage,
    Selection,
    WarehouseError,
    correct,
    list_rejected,
    rebuild,
    retry_rejected,
    set_aside,
    show_rejected,
)
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until

DEEP = b"[" * 1_500 + b"]" * 1_500
SHOWN = {
    b'"text"': "text",
    b"true": True,
    b"[1, 2.5]": [1, 2.5],
    b'{"event_type": "[red]sold[/red]", "note": "\\u001b[2J [/]"}': {
        "event_type": "[red]sold[/red]",
        "note": "\x1b[2J [/]",
    },
    DEEP: DEEP.decode(),
    b'{"a":' * 400 + b"1" + b"}" * 400: '{"a":' * 400 + "1" + "}" * 400,
    b'{"a": ' + b"1" * 5_000 + b"}": '{"a":' + "1" * 5_000 + "}",
    b"\xff": None,
    None: None,
}
"""Values that break a rule, and what is shown as their payload."""

ONE = RejectedMessage(
    "CUSTOMERS", "customers", "1" * 36, 0, 7, "", 1, dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "", "", {}
)


def test_any_payload_is_listed_as_json_or_as_its_text(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, list(SHOWN), partition=0)
    pipeline.load()
    pipeline.refresh()
    found = list_rejected(pipeline.endpoint, Selection(topic=pipeline.orders))
    assert {message.offset: message.payload for message in found} == dict(enumerate(SHOWN.values()))
    for message in found:
        shown = show_rejected(pipeline.endpoint, message.topic, message.partition, message.offset)
        assert (
            json.loads(json.dumps(shown.to_dict(), indent=2, default=str, allow_nan=False))["payload"] == shown.payload
        )
        assert shown.payload == message.payload


def test_a_number_beyond_every_float_is_no_infinity(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, [b'{"a": 1e400}'], partition=0)
    pipeline.load()
    pipeline.refresh()
    [message] = list_rejected(pipeline.endpoint, Selection(topic=pipeline.orders))
    assert isinstance(message.payload, str)
    assert message.payload.startswith('{"a":')


def test_of_two_topics_with_one_name_the_message_is_shown_and_corrected_that_is_meant(
    emptied_pipeline: Pipeline,
) -> None:
    pipeline = emptied_pipeline
    ids = []
    for payload in (b'"first"', b'"second"'):
        pipeline.send(pipeline.orders, [payload], partition=0)
        pipeline.load()
        pipeline.refresh()
        ids.append(list_rejected(pipeline.endpoint, Selection(topic=pipeline.orders), limit=1)[0].topic_id)
        pipeline.delete_topic(pipeline.orders)
        wait_until(lambda: made_again(pipeline), "the topic made again")
    assert len(set(ids)) == 2
    with pytest.raises(WarehouseError, match=r"--topic-id \S+ or --topic-id \S+"):
        show_rejected(pipeline.endpoint, pipeline.orders, 0, 0)
    with pytest.raises(WarehouseError, match="2 topics have had the name"):
        correct(pipeline.endpoint, pipeline.orders, 0, 0, {})
    shown = [show_rejected(pipeline.endpoint, pipeline.orders, 0, 0, topic_id=each).payload for each in ids]
    assert shown == ["first", "second"]

    corrected = correct(pipeline.endpoint, pipeline.orders, 0, 0, Order("O9").placed(), topic_id=ids[0])
    assert corrected.topic_id == ids[0]
    assert show_rejected(pipeline.endpoint, pipeline.orders, 0, 0, topic_id=ids[1]).payload == "second"
    assert retry_rejected(pipeline.endpoint, Selection(topic=pipeline.orders, topic_id=ids[0])).retried == 1
    pipeline.refresh()
    assert pipeline.order("O9")["STATUS"] == "PLACED"


def made_again(pipeline: Pipeline) -> bool:
    pipeline.make_topics()
    return pipeline.orders in AdminClient(dict(pipeline.client_config)).list_topics(timeout=120).topics


@pytest.mark.parametrize("width", [60, 80, 300])
def test_a_table_of_any_width_names_each_message_whole_and_sends_nothing_to_the_terminal(width: int) -> None:
    reason = "event_type '[red]sold[/red] [/] \x1b[2J' is not one of an order"
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system="truecolor", soft_wrap=True)
    console.print(table_of([dataclasses.replace(ONE, topic="orders_events", offset=9_007_199_254, reason=reason)]))
    printed = file.getvalue()
    assert "orders_events" in printed
    assert "9007199254" in printed
    assert "\x1b[2J" not in printed
    assert "\x1b[31m" not in printed, "red"
    if width == 300:
        assert "'[red]sold[/red] [/] \\x1b[2J'" in printed


def test_the_topics_id_is_shown_where_the_name_is_not_enough() -> None:
    def headings(*messages: RejectedMessage) -> list[object]:
        return [column.header for column in table_of(messages).columns]

    other = dataclasses.replace(ONE, topic_id="2" * 36)
    assert "topic id" not in headings(ONE, dataclasses.replace(other, topic="products"))
    assert "topic id" in headings(ONE, other)


def test_a_retry_beside_statements_that_reject_more_is_repeated_until_it_is_through(own_pipeline: Pipeline) -> None:
    """Whoever has read REJECTED_EVENTS before others changed it has to begin anew (error 000625)."""
    pipeline = own_pipeline
    pipeline.send(pipeline.orders, [b"?"] * 20, partition=0)
    pipeline.load()
    pipeline.refresh()

    def reject_more() -> None:
        with warehouse.connect(pipeline.endpoint) as connection:
            for _ in range(200):
                connection.cursor().execute(
                    "INSERT INTO STAGING.REJECTED_EVENTS (SOURCE, TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, "
                    "INGESTED_AT, BATCH_ID, REJECT_REASON, ATTEMPT, REJECTED_AT) "
                    "SELECT 'CUSTOMERS', 'more', 'more', 0, 0, SYSDATE(), 'more', 'more', 1, SYSDATE()"
                )

    with ThreadPoolExecutor(1) as beside:
        writing = beside.submit(reject_more)
        retried = [
            retry_rejected(pipeline.endpoint, Selection(topic=pipeline.orders, offset=offset)).retried
            for offset in range(20)
        ]
        writing.result()
    assert retried == [1] * 20
    assert pipeline.value("SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS WHERE TOPIC = 'more'") == 200


def test_before_the_deployment_each_way_out_says_to_deploy(empty_database: Callable[[], WarehouseEndpoint]) -> None:
    endpoint = empty_database()
    place = ("orders_events", 0, 0)
    for way in (
        lambda: list_rejected(endpoint),
        lambda: show_rejected(endpoint, *place),
        lambda: correct(endpoint, *place, {}),
        lambda: set_aside(endpoint, *place, "wrong"),
        lambda: retry_rejected(endpoint),
        lambda: rebuild(endpoint, ["ALL"]),
        lambda: warehouse.refresh(endpoint),
    ):
        with pytest.raises(NotDeployedError, match="run `dropship deploy`"):
            way()


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "{": "is not JSON",
        "[1]": "no object",
        '{"a": 1e400}': "1e400 is no number",
        '{"a": NaN}': "NaN is no number",
        '{"a": 1, "b": {"c": 1, "c": 2}}': "the key 'c' is there twice",
        '{"a": "\\ud800"}': "not Unicode",
        '{"a": "\udcff"}': "not Unicode",
        '{"a":' * 100_000: "nests too deeply",
    }.items(),
    ids=str,
)
def test_a_correction_that_is_no_json_object_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(DropshipError, match=said) as caught:
        json_object(text)
    assert "give one JSON object" in str(caught.value)
    assert "recursion" not in str(caught.value), "Python's words are not ours"
