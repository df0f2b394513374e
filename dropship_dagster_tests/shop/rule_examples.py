"""A cell that breaks each rule, by the rule's meaning alone; the CSV check and the warehouse get the same."""

from __future__ import annotations

from dropship_dagster.shop.rules import EVENT_RULES, Breach, EventRule

CELL_RULES = [rule for rule in EVENT_RULES if rule.table and rule.breach not in (Breach.PLACEMENT, Breach.LINES)]
ROW_RULES = [rule for rule in EVENT_RULES if rule.breach in (Breach.PLACEMENT, Breach.LINES)]
MESSAGE_RULES = [rule for rule in EVENT_RULES if rule.breach is Breach.ENVELOPE]
"""Those that no cell of a file can break: every cell is a text, and producing writes the rest."""


def value_that_breaks(rule: EventRule) -> str:
    """A cell that breaks a rule of a cell."""
    column = rule.field.rpartition(".")[2]
    is_time = column.endswith(("_at", "_time"))
    if rule.breach is Breach.MISSING:
        return ""
    if rule.breach is Breach.TYPE:
        return "2026-02-30T12:00:00.000Z" if is_time else "many"
    if rule.breach is Breach.LOW:
        if is_time:
            return "1969-12-31T23:59:59.999Z"
        return "0" if column in ("version", "quantity", "exchange_rate") else "-1"
    if rule.breach is Breach.HIGH:
        if is_time:
            return "2200-01-01T00:00:00.000Z"
        return {"reliability": "2", "version": "9" * 18, "stock": "9" * 18, "quantity": "9" * 18}.get(
            column, "1000000000.01"
        )
    if rule.breach is Breach.LENGTH:
        return column[0].upper() + "1" * 100
    return {"country": "FRA", "currency": "EURO", "event_type": "order_lost"}[column]
