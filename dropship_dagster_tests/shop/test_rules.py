"""A row of which the warehouse would reject the event is rejected by the check before, in the warehouse's words."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dropship_dagster.shop import Rejects, ShopConfig, check, generate, read
from dropship_dagster.shop.contract import table as table_of
from dropship_dagster.shop.rules import (
    LINE_TWICE,
    NO_LINES,
    NOT_PLACED,
    NOT_VERSION_1,
    TOO_MUCH,
    WRONG_TOTAL,
    EventRule,
)
from dropship_dagster_tests.shop.rule_examples import CELL_RULES, ROW_RULES, value_that_breaks

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop with every type of event, in which nothing is wrong."""
    folder = tmp_path_factory.mktemp("rules") / "seeds"
    generate(ShopConfig(customers=30, products=10, orders=200), folder)
    assert check(folder).ok
    return folder


def broken(good: Path, tmp_path: Path, table: str, change: Callable[[Rows], int]) -> tuple[Path, int]:
    """A copy of which rows of a file are changed, and the line of the row that is broken then."""
    folder = tmp_path / "broken"
    shutil.copytree(good, folder)
    (folder / "manifest.json").unlink()
    path = folder / f"{table}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    line = change(rows) + 2
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table_of(table).names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder, line


@pytest.mark.parametrize("rule", CELL_RULES, ids=lambda rule: f"{rule.topic}: {rule.words}")
def test_a_cell_that_breaks_a_rule_is_rejected_in_the_warehouses_words(
    good: Path, tmp_path: Path, rule: EventRule
) -> None:
    assert rule.table
    column = rule.column or ""

    def change(rows: Rows) -> int:
        position = next(
            number for number, row in enumerate(rows) if row.get("event_type", rule.event_types[0]) in rule.event_types
        )
        rows[position][column] = value_that_breaks(rule)
        return position

    folder, line = broken(good, tmp_path, rule.table, change)
    reasons = [found for found in check(folder).findings if (found.file, found.line) == (f"{rule.table}.csv", line)]
    assert reasons, "the row is not found"
    assert reasons[0].column == column
    assert reasons[0].reason.startswith(rule.words)
    # What is sent is read by the same rules, so the row is left out there too.
    with Rejects(keep=1) as rejects:
        read(folder, table_of(rule.table), rejects)
    assert rejects.kept[0].reason == reasons[0].reason


def _version_2(rows: Rows) -> int:
    position = next(number for number, row in enumerate(rows) if row["event_type"] == "order_placed")
    rows[position]["version"] = "2"
    return position


def _paid_first(rows: Rows) -> int:
    position = next(number for number, row in enumerate(rows) if row["event_type"] == "order_paid")
    rows[position]["version"] = "1"
    return position


def _total(rows: Rows) -> int:
    rows[3]["total"] = "0.01"
    return 3


def _without_lines(rows: Rows) -> int:
    rows.append({**rows[-1], "order_id": "O99999999"})
    return len(rows) - 1


def _line_twice(rows: Rows) -> int:
    rows.insert(1, dict(rows[0]))
    return 1


def _expensive(rows: Rows) -> int:
    rows[0]["unit_price"], rows[0]["quantity"] = "9999999999.99", "1000000"
    return 0


EXAMPLES: dict[str, tuple[str, Callable[[Rows], int]]] = {
    NOT_VERSION_1: ("order_events", _version_2),
    NOT_PLACED: ("order_events", _paid_first),
    NO_LINES: ("orders", _without_lines),
    LINE_TWICE: ("order_lines", _line_twice),
    TOO_MUCH: ("order_lines", _expensive),
    WRONG_TOTAL: ("orders", _total),
}


@pytest.mark.parametrize("rule", ROW_RULES, ids=lambda rule: rule.words)
def test_rows_that_do_not_fit_together_are_rejected_in_the_warehouses_words(
    good: Path, tmp_path: Path, rule: EventRule
) -> None:
    table, change = EXAMPLES[rule.words]
    folder, line = broken(good, tmp_path, table, change)
    found = [found for found in check(folder).findings if found.reason.startswith(rule.words)]
    assert [(each.file, each.column) for each in found] == [(f"{rule.table}.csv", rule.column)]
    if table == rule.table:
        assert found[0].line == line


def test_a_cell_with_more_digits_than_the_warehouse_holds_is_rejected(good: Path, tmp_path: Path) -> None:
    """PROD holds amounts in NUMBER(12,2): ten digits before the point."""

    def change(rows: Rows) -> int:
        rows[0]["price"] = "10000000000.00"
        return 0

    folder, line = broken(good, tmp_path, "products", change)
    [found] = [found for found in check(folder).findings if found.file == "products.csv"]
    assert (found.line, found.column) == (line, "price")
    assert found.reason.startswith("price is not an amount")
