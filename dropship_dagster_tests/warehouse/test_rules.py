"""The rules of the SQL and those of the CSV check are the same, in the same words."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from dropship_dagster.shop.rules import (
    EVENT_RULES,
    LINE_TWICE,
    NO_LINES,
    NOT_PLACED,
    NOT_VERSION_1,
    TOO_MUCH,
    WRONG_TOTAL,
    EventRule,
)
from dropship_dagster.warehouse.scripts import read_scripts
from dropship_dagster_tests.shop.rule_examples import CELL_RULES, MESSAGE_RULES, ROW_RULES, value_that_breaks
from dropship_dagster_tests.warehouse.event_contract import broken_fields
from dropship_dagster_tests.warehouse.events import Line, Order, customer, encode, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

TASKS = {"customers": "STAGE_CUSTOMERS", "products": "STAGE_PRODUCTS", "orders_events": "STAGE_ORDER_EVENTS"}
UTC = "is not a UTC time like 2026-01-31T12:00:00.000Z"
YEARS = "is not between the years 1970 and 2199"
WHOLE = {
    "the message has no value (a tombstone)": None,
    "the value is not JSON in UTF-8": b"{",
    "the value is not a JSON object": b"[]",
}
WITHOUT = "the field is left out"
IN_MESSAGES: dict[str, tuple[str, Any]] = {
    "event_id is missing": ("event_id", WITHOUT),
    "event_id is not a UUID": ("event_id", "1"),
    "schema_version is missing": ("schema_version", WITHOUT),
    "schema_version is not an integer": ("schema_version", 1.5),
    "event_type is missing": ("event_type", WITHOUT),
    "event_type is not one of a customer": ("event_type", "order_paid"),
    "event_type is not one of a product": ("event_type", "order_paid"),
    "event_time is missing": ("event_time", None),
    f"event_time {UTC}": ("event_time", "yesterday"),
    f"event_time {YEARS}": ("event_time", "0001-01-01T00:00:00.000Z"),
    "customer_id is not a text": ("customer_id", 12),
    "product_id is not a text": ("product_id", True),
    "supplier.supplier_id is not a text": ("supplier.supplier_id", ["S001"]),
    "order_id is not a text": ("order_id", {"id": 1}),
    "lines: product_id is not a text": ("lines.product_id", -1),
    "lines is missing": ("lines", None),
    "lines is not an array": ("lines", {"*": {"line_no": 1}}),
}
"""Examples of the rules that no CSV file can break: the whole list of them, beside WHOLE."""

ORDER = Order("RULES", lines=(Line("P1"), Line("P2")))
ROWS: dict[str, dict[str, Any]] = {
    NOT_VERSION_1: ORDER.placed(version=2),
    NOT_PLACED: ORDER.paid(version=1),
    NO_LINES: ORDER.placed(lines=[]),
    LINE_TWICE: ORDER.placed(lines=ORDER.placed()["lines"][:1] * 2),
    TOO_MUCH: ORDER.placed(lines=[ORDER.placed()["lines"][0] | {"quantity": 1_000_001}]),
    WRONG_TOTAL: ORDER.placed(total=0.01),
}


def reasons_in_sql(task: str) -> set[str]:
    """The sentences of a task's CASE; those of a line have `lines: ` in front."""
    [script] = [script for script in read_scripts() if script.name.startswith("03_")]
    body = script.text.split(f"CREATE OR REPLACE TASK OPS.{task}\n")[1].split("CREATE OR REPLACE TASK")[0]
    for constant in ("ENTITY", "ID_FIELD"):  # what the rules of all topics call the entity and its identifier
        value = re.search(rf"'([a-z_ ]+)' AS {constant}\b", body)[1]
        body = re.sub(rf"\b{constant} \|\| '", f"'{value}", body)
        body = re.sub(rf"' \|\| {constant}\b", f"{value}'", body)
    cases = re.findall(r"\bCASE\n((?:(?!\bEND\)? AS ).)*?)\n {4}END\)? AS BROKEN_(RULE|LINE)", body, re.DOTALL)
    assert [kind for _, kind in cases] == (["LINE", "RULE"] if task == "STAGE_ORDER_EVENTS" else ["RULE"])
    found: set[str] = set()
    for case, kind in cases:
        sentences = re.findall(r"'([^']* (?:is|has) [^']*)'", case)
        found |= {f"lines: {sentence}" if kind == "LINE" else sentence for sentence in sentences}
    return found


@pytest.mark.parametrize("topic", TASKS)
def test_every_reason_of_the_sql_is_a_rule_and_every_rule_is_one_of_the_sql(topic: str) -> None:
    assert reasons_in_sql(TASKS[topic]) == {rule.words for rule in EVENT_RULES if rule.topic == topic}


def test_every_rule_that_no_csv_file_can_break_is_known_as_such() -> None:
    assert {rule.words for rule in MESSAGE_RULES} == {*WHOLE, *IN_MESSAGES}


def example(rule: EventRule) -> bytes | None:
    """A message that breaks a rule: with the very cell that the CSV check gets, where there is one."""
    if rule.words in ROWS and rule in ROW_RULES:
        return encode(ROWS[rule.words])
    if rule in CELL_RULES:
        return changed(rule, value_that_breaks(rule) or None)
    if rule.words in WHOLE:
        return WHOLE[rule.words]
    return changed(rule, IN_MESSAGES[rule.words][1])


def changed(rule: EventRule, value: Any) -> bytes:
    """A good event of the rule's type with another value in its field."""
    event = good(rule.event_types[0])
    holder, name = event, rule.field
    for parent in ("supplier", "lines"):
        if name.startswith(f"{parent}."):
            holder, name = event[parent] if parent == "supplier" else event[parent][0], name.partition(".")[2]
    assert name in holder
    if value == WITHOUT:
        del holder[name]
    else:
        holder[name] = value
    return encode(event)


def good(event_type: str) -> dict[str, Any]:
    entity, _, step = event_type.partition("_")
    if entity == "order":
        return copy.deepcopy(getattr(ORDER, step)())
    return (customer if entity == "customer" else product)("RULES", deleted=step == "deleted")


def test_an_example_of_each_rule_is_rejected_by_the_warehouse_in_the_rules_words(pipeline: Pipeline) -> None:
    topics = {"customers": pipeline.customers, "products": pipeline.products, "orders_events": pipeline.orders}
    rules = {topic: [rule for rule in EVENT_RULES if rule.topic == topic] for topic in topics}
    for topic, name in topics.items():
        pipeline.send(name, [example(rule) for rule in rules[topic]], partition=0)
    pipeline.load()
    pipeline.refresh()
    for topic, name in topics.items():
        rows = pipeline.rows("SELECT KAFKA_OFFSET, REJECT_REASON FROM STAGING.REJECTED_EVENTS WHERE TOPIC = ?", name)
        found = {int(offset): reason for offset, reason in rows}
        assert [found.get(offset) for offset in range(len(rules[topic]))] == [rule.words for rule in rules[topic]]
    pipeline.assert_sound()


def test_an_example_of_each_rule_breaks_the_contract_in_the_rules_field() -> None:
    for rule in EVENT_RULES:
        expected = {"": "value"}.get(
            rule.field, rule.field.partition(".")[0] if rule.field.startswith("lines.") else rule.field
        )
        assert broken_fields(rule.topic, example(rule)) == {expected}, rule
