"""What the newest run of a task says of its table."""

from __future__ import annotations

from dropship_dagster.assets.names import key
from dropship_dagster.checks.task_health import verdict

ORDERS = key("prod/orders")
GOOD = ("MERGE_ORDERS", "SUCCEEDED", None, "q1")
BAD = ("MERGE_ORDERS", "FAILED", "Division by zero", "q2")


def test_a_task_whose_last_run_failed_is_named_with_its_error() -> None:
    result = verdict(ORDERS, "MERGE_ORDERS", [GOOD, BAD])
    assert not result.passed
    assert "OPS.MERGE_ORDERS failed: Division by zero" in str(result.description)


def test_a_failure_that_a_later_run_made_good_is_counted_and_warns_of_nothing() -> None:
    result = verdict(ORDERS, "MERGE_ORDERS", [BAD, GOOD])
    assert result.passed
    assert "1 failed" in str(result.description)


def test_a_task_that_did_not_run_has_nothing_to_answer_for() -> None:
    assert verdict(ORDERS, "MERGE_ORDERS", []).passed
