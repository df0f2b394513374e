"""Reconciliation finds what is missing, doubled or wrong."""

from __future__ import annotations

import json
import re

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from snowflake.connector import errors as snowflake_errors
from sqlglot import exp, parse_one

from dropship_dagster import warehouse
from dropship_dagster.warehouse import delete_old_messages
from dropship_dagster.warehouse.model import KEYS
from dropship_dagster.warehouse.scripts import read_scripts
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until

DAMAGES = {
    "a row gone from RAW": ("DELETE FROM RAW.CUSTOMERS WHERE KAFKA_OFFSET = 0", "1 offsets are missing from RAW"),
    "a row twice in RAW": (
        "INSERT INTO RAW.CUSTOMERS SELECT * FROM RAW.CUSTOMERS WHERE KAFKA_OFFSET = 0",
        "1 messages are in RAW twice",
    ),
    "a row gone from STAGING": (
        "DELETE FROM STAGING.PRODUCT_EVENTS WHERE KAFKA_OFFSET = 0",
        "1 messages of RAW are not in STAGING",
    ),
    "a reject twice": (
        "INSERT INTO STAGING.REJECTED_EVENTS SELECT * FROM STAGING.REJECTED_EVENTS",
        "1 messages are in STAGING twice",
    ),
    "an amount changed": (
        "UPDATE PROD.ORDERS SET TOTAL = TOTAL + 0.01",
        "PROD.ORDERS: 1 rows, 1 expected, 2 differences",
    ),
    "a line twice": (
        "INSERT INTO PROD.ORDER_LINES SELECT * FROM PROD.ORDER_LINES",
        "PROD.ORDER_LINES: 2 rows, 1 expected, 0 differences; first: rows that are there twice",
    ),
    "a customer gone": ("DELETE FROM PROD.CUSTOMERS", "PROD.CUSTOMERS: 0 rows, 1 expected, 1 differences"),
    "a history cut": (
        "UPDATE PROD.CUSTOMERS_HISTORY SET VALID_TO = NULL",
        "PROD.CUSTOMERS_HISTORY: 2 rows, 2 expected",
    ),
    "a day changed": ("UPDATE PROD.DAILY_SALES SET REVENUE = 1", "PROD.DAILY_SALES: 1 rows, 1 expected, 2 differences"),
    "a product's day changed": (
        "UPDATE PROD.DAILY_PRODUCT_SALES SET UNITS = 77",
        "PROD.DAILY_PRODUCT_SALES: 1 rows, 1 expected, 2 differences",
    ),
    "a delivery invented": (
        "INSERT INTO PROD.DAILY_SUPPLIER_DELIVERIES VALUES ('2026-03-01', 'S1', 144, 1, 0, 1440)",
        "PROD.DAILY_SUPPLIER_DELIVERIES: 1 rows, 0 expected, 1 differences",
    ),
    "a first order gone": (
        "DELETE FROM PROD.CUSTOMER_FIRST_ORDERS",
        "PROD.CUSTOMER_FIRST_ORDERS: 0 rows, 1 expected, 1 differences",
    ),
    "an offset set back": ("UPDATE OPS.KAFKA_OFFSETS SET NEXT_OFFSET = 0", "outside the offsets that are loaded"),
}


@pytest.fixture
def sound(emptied_pipeline: Pipeline) -> Pipeline:
    pipeline = emptied_pipeline
    pipeline.send(pipeline.customers, [customer("C0000001", version) for version in (1, 2)], partition=0)
    pipeline.send(pipeline.products, [product("P00001")], partition=0)
    pipeline.send(pipeline.orders, [Order("O1").placed(), Order("O1").paid(), b"?"], partition=0)
    pipeline.load()
    pipeline.refresh()
    pipeline.assert_sound(events=6)
    return pipeline


def test_every_kind_of_damage_is_found(sound: Pipeline) -> None:
    for damage, _ in DAMAGES.values():
        table = table_of(damage)
        sound.rows(f"CREATE OR REPLACE TABLE {kept(table)} AS SELECT * FROM {table}")
    overlooked = {}
    for name, (damage, problem) in DAMAGES.items():
        problems = damaged(sound, damage)
        if not any(problem in line for line in problems):
            overlooked[name] = problems
    assert overlooked == {}
    sound.assert_sound(events=6)


def table_of(damage: str) -> str:
    return next(
        word for word in damage.split() if "." in word and word.split(".")[0] in {"RAW", "STAGING", "PROD", "OPS"}
    )


def kept(table: str) -> str:
    """Where the copy of a table is."""
    return f"OPS.KEPT_{table.replace('.', '_')}"


def damaged(pipeline: Pipeline, damage: str) -> tuple[str, ...]:
    """The problems that verify finds after the damage, which is mended again from the copy."""
    table = table_of(damage)
    pipeline.rows(damage)
    report = pipeline.verify()
    pipeline.rows(f"DELETE FROM {table}")
    pipeline.rows(f"INSERT INTO {table} SELECT * FROM {kept(table)}")
    if table.startswith("STAGING."):
        pipeline.refresh()  # what was put back is on its way to PROD, where it changes nothing
    assert not report.ok
    return report.problems


def test_a_wrong_order_is_told_of_every_table_that_was_computed_from_it(sound: Pipeline) -> None:
    """SHIPPED_VERSION serves the MERGE alone and is compared with nothing, but the costs of a day depend on it."""
    order = Order("O2")
    sound.send(sound.orders, [order.placed(), order.cancelled()], partition=0)
    sound.load()
    sound.refresh()
    sound.rows("ALTER TASK OPS.REFRESH SUSPEND")
    sound.rows("UPDATE PROD.ORDERS SET SHIPPED_VERSION = 1 WHERE ORDER_ID = 'O2'")
    warehouse.rebuild(sound.endpoint, ["DAILY_SALES"])
    report = sound.verify()
    assert {name for name, table in report.prod.items() if table.differences} == {"DAILY_SALES"}
    [problem] = report.problems
    assert problem.startswith("PROD.DAILY_SALES: 1 rows, 1 expected, 2 differences")


SHARED_FAULTS = {
    "UPDATE PROD.ORDERS SET PLACED_AT = DATEADD('day', 1, PLACED_AT), PAID_AT = DATEADD('day', 1, PAID_AT)": {
        "ORDERS", "DAILY_SALES", "DAILY_SUPPLIER_DELIVERIES", "CUSTOMER_FIRST_ORDERS",
    },
    "UPDATE PROD.ORDERS SET STATUS = 'CANCELLED'": {"ORDERS", "DAILY_SALES", "DAILY_PRODUCT_SALES"},
    "UPDATE PROD.ORDER_LINES SET QUANTITY = QUANTITY + 1": {"ORDER_LINES", "DAILY_SALES", "DAILY_PRODUCT_SALES"},
    "UPDATE PROD.PRODUCTS SET CATEGORY = 'Hats', SUPPLIER_ID = 'S999'": {
        "PRODUCTS", "DAILY_SALES", "DAILY_SUPPLIER_DELIVERIES",
    },
}  # fmt: skip
"""Changes of the tables that others are derived from, with the tables that are wrong once those are computed anew."""


@pytest.mark.parametrize("fault", SHARED_FAULTS)
def test_a_fault_in_a_table_is_not_taken_for_the_truth_by_those_derived_from_it(
    emptied_pipeline: Pipeline, fault: str
) -> None:
    pipeline, order = emptied_pipeline, Order("O1")
    pipeline.send(pipeline.products, [product("P00001")])
    pipeline.send(pipeline.orders, [order.placed(), order.paid(), order.delivered()])
    pipeline.load()
    pipeline.refresh()
    pipeline.assert_sound(events=4)
    pipeline.rows("ALTER TASK OPS.REFRESH SUSPEND")
    pipeline.rows(fault)
    warehouse.rebuild(pipeline.endpoint, [table for table in KEYS if table.startswith("DAILY_")])
    pipeline.rows("UPDATE PROD.CUSTOMER_FIRST_ORDERS f SET FIRST_AT = o.PLACED_AT FROM PROD.ORDERS o")
    assert {name for name, table in pipeline.verify().prod.items() if table.differences} == SHARED_FAULTS[fault]


def test_what_is_expected_of_prod_reads_nothing_but_the_accepted_events() -> None:
    [script] = [script for script in read_scripts() if script.name.startswith("04_")]
    sources = {
        view: {(table.db, table.name) for table in parse_one(query, read="snowflake").find_all(exp.Table) if table.db}
        for view, query in re.findall(r"VIEW OPS\.(EXPECTED_\w+).*?\nAS\n(.*?);", script.text, re.DOTALL)
    }
    assert sources.keys() == {f"EXPECTED_{table}" for table in KEYS}
    read = set().union(*sources.values()) - {("OPS", view) for view in sources}
    assert read == {("STAGING", name) for name in ("CUSTOMER_EVENTS", "PRODUCT_EVENTS", "ORDER_EVENTS")}


def test_what_a_derived_table_waits_for_is_no_difference_of_it(sound: Pipeline) -> None:
    """Without MERGE_ORDERS the events stay before PROD.ORDERS, and the tables behind it know nothing of them."""
    sound.rows("ALTER TASK OPS.MERGE_ORDERS SUSPEND")
    sound.send(sound.orders, [Order("O2").placed()], partition=0)
    sound.load()
    sound.refresh()
    sound.rows("ALTER TASK OPS.MERGE_ORDERS RESUME")
    report = sound.verify()
    assert (report.status, report.problems) == ("behind", ())
    assert report.prod["DAILY_SALES"].merging
    assert report.prod["DAILY_SALES"].differences


def test_the_report_is_json_with_the_first_differences(sound: Pipeline) -> None:
    sound.rows("UPDATE PROD.ORDERS SET STATUS = 'LOST'")
    report = json.loads(sound.verify().to_json())
    assert report["ok"] is False
    assert set(report["topics"][sound.orders]) >= {
        "partitions", "first_offset", "next_offset", "broker_end", "raw_rows", "duplicates", "gaps",
    }  # fmt: skip
    assert report["staging"] == {"accepted": 5, "rejected": 1, "missing": 0, "doubled": 0}
    orders = report["prod"]["ORDERS"]
    assert (orders["rows"], orders["expected"], orders["differences"]) == (1, 1, 2)
    assert {example["SIDE"]: example["STATUS"] for example in orders["examples"]} == {
        "missing": "PAID",
        "surplus": "LOST",
    }


def test_messages_that_wait_in_kafka_are_neither_right_nor_wrong(sound: Pipeline) -> None:
    sound.send(sound.orders, [Order("O2").placed()])
    report = sound.verify()
    assert (report.ok, report.status, report.behind, report.problems) == (False, "behind", 1, ())
    assert report.topics[sound.orders].lag == 1
    strict = warehouse.verify(
        sound.endpoint, client_config=sound.client_config, topics=sound.tables, require_caught_up=True
    )
    assert (strict.status, strict.problems) == ("wrong", (f"{sound.orders}: 1 messages are not loaded yet",))


def test_a_topic_of_which_nothing_was_loaded_is_counted_whole(sound: Pipeline) -> None:
    other = Pipeline(sound.client_config, sound.endpoint)
    assert other.verify().status == "right", "empty topics hold nothing back"
    other.send(other.orders, [Order("O2").placed(), Order("O2").paid()])
    report = other.verify()
    assert (report.status, report.behind) == ("behind", 2)
    verdict = report.topics[other.orders]
    assert (verdict.lag, verdict.raw_rows, verdict.broker_end, verdict.partitions) == (2, 0, 2, 3)


def test_a_partition_that_is_behind_is_not_made_up_for_by_another(sound: Pipeline) -> None:
    """The broker's end and the loaded offset are compared partition by partition, not as sums."""
    sound.send(sound.orders, [Order("O2").placed()], partition=1)
    sound.rows(
        "UPDATE OPS.KAFKA_OFFSETS SET NEXT_OFFSET = NEXT_OFFSET + 1 WHERE TOPIC = ? AND KAFKA_PARTITION = 0",
        sound.orders,
    )
    report = sound.verify()
    verdict = report.topics[sound.orders]
    assert (verdict.lag, verdict.beyond) == (1, 1)
    assert f"{sound.orders}: the broker ends 1 messages before what is loaded" in report.problems


def test_a_topic_made_again_has_its_name_before_anything_of_it_is_loaded(sound: Pipeline) -> None:
    before = sound.verify().topics[sound.orders].topic_id
    sound.delete_topic(sound.orders)
    wait_until(lambda: made_again(sound), "the topic made again")
    sound.send(sound.orders, [Order("O2").placed()])
    topics = sound.verify().topics
    assert (topics[sound.orders].raw_rows, topics[sound.orders].lag) == (0, 1)
    assert (topics[f"{sound.orders} ({before})"].raw_rows, topics[f"{sound.orders} ({before})"].lag) == (3, None)


def made_again(pipeline: Pipeline) -> bool:
    pipeline.make_topics()
    return pipeline.orders in AdminClient(dict(pipeline.client_config)).list_topics(timeout=120).topics


def delete_records(pipeline: Pipeline, before: int) -> None:
    """Kafka loses the messages of the orders' first partition up to this offset."""
    admin, place = AdminClient(dict(pipeline.client_config)), TopicPartition(pipeline.orders, 0, before)
    assert admin.delete_records([place])[place].result(120).low_watermark == before


def test_messages_that_kafka_lost_before_they_were_loaded_are_a_problem(sound: Pipeline) -> None:
    sound.send(sound.orders, [Order(f"O{number}").placed() for number in range(2, 7)], partition=0)
    delete_records(sound, 5)
    report = sound.verify()
    assert report.topics[sound.orders].lost == 2
    assert report.behind == 3
    assert report.problems == (f"{sound.orders}: 2 messages were not loaded and the broker no longer has them",)


def test_messages_that_wait_for_the_task_graph_are_told_from_lost_ones(sound: Pipeline) -> None:
    sound.send(sound.orders, [Order("O2").placed(), b"?"], partition=0)
    sound.load()
    report = sound.verify()
    assert (report.status, report.waiting, report.staging.missing, report.problems) == ("behind", 2, 2, ())
    warehouse.retry_rejected(sound.endpoint)
    assert sound.verify().waiting == 3, "a message that is on its way through the rules once more waits too"
    sound.rows("DELETE FROM STAGING.ORDER_EVENTS WHERE KAFKA_OFFSET = 0")
    report = sound.verify()
    assert (report.status, report.waiting, report.staging.missing) == ("wrong", 3, 4)
    assert report.problems[0].startswith("1 messages of RAW are not in STAGING")


def test_what_stopped_the_loader_is_named_until_it_goes_on(sound: Pipeline) -> None:
    sound.send(sound.orders, [Order("O2").placed()], partition=0)
    sound.rows("ALTER TABLE RAW.ORDERS_EVENTS RENAME TO RAW.ORDERS_EVENTS_AWAY")
    with pytest.raises(snowflake_errors.ProgrammingError):
        sound.load()
    sound.rows("ALTER TABLE RAW.ORDERS_EVENTS_AWAY RENAME TO RAW.ORDERS_EVENTS")
    report = sound.verify()
    [stopped] = report.stopped
    assert (stopped.topic, stopped.partition, stopped.offset) == (sound.orders, 0, 3)
    assert "ORDERS_EVENTS" in stopped.error
    assert (report.status, report.behind) == ("behind", 1)
    sound.load()
    assert sound.verify().stopped == ()


def test_lost_messages_that_stop_the_loader_are_named_with_their_partition(sound: Pipeline) -> None:
    sound.send(sound.orders, [Order(f"O{number}").placed() for number in range(2, 7)], partition=0)
    delete_records(sound, 5)
    for _ in range(2):
        with pytest.raises(warehouse.DataLostError):
            sound.load()
    [stopped] = sound.verify().stopped
    assert (stopped.topic, stopped.partition, stopped.offset) == (sound.orders, 0, 3)
    assert "dropship consume --accept-gaps" in stopped.error
    assert sound.value("SELECT COUNT(*) FROM OPS.LOADER_ERRORS") == 1
    sound.load(accept_gaps=True)
    assert sound.verify().stopped == ()


def test_old_messages_leave_raw_and_the_rest_stays_sound(sound: Pipeline) -> None:
    sound.rows("UPDATE RAW.CUSTOMERS SET INGESTED_AT = DATEADD('DAY', -40, INGESTED_AT) WHERE KAFKA_OFFSET = 0")
    assert delete_old_messages(sound.endpoint, days=30).deleted == {"CUSTOMERS": 1, "PRODUCTS": 0, "ORDERS_EVENTS": 0}
    assert delete_old_messages(sound.endpoint, days=30).deleted["CUSTOMERS"] == 0
    verdict = sound.assert_sound(events=5).topics[sound.customers]
    assert (verdict.first_offset, verdict.raw_rows) == (1, 1)
    sound.send(sound.customers, [customer("C0000001", 3)], partition=0)
    sound.load()
    sound.refresh()
    sound.assert_sound(events=6)
