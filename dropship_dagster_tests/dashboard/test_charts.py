"""What charts and cards say, read from what they are made of."""

from __future__ import annotations

import pandas as pd
import pytest

from dropship_dagster_tests.dashboard.platform import MARKUP
from streamlit_monitor import cards, charts
from streamlit_monitor.cards import Card


def test_two_runs_of_one_minute_are_two_columns() -> None:
    frame = pd.DataFrame({"run": ["1 Jan 10:00", "1 Jan 10:00"], "passed": [3, 2], "failed": [0, 1]})
    chart = charts.outcomes(frame, "run", {"passed": "Passed", "failed": "Failed"})
    assert sorted(set(chart.data["run"])) == ["1 Jan 10:00", "1 Jan 10:00 (2)"]


def test_products_of_one_name_keep_a_bar_each_and_names_are_never_read() -> None:
    frame = pd.DataFrame({"name": [MARKUP, MARKUP], "sales": [2.0, 1.0]})
    shown = charts.bars(frame, "sales", money=True, title="Sales").data
    assert list(shown["name"]) == [MARKUP, f"{MARKUP} (2)"]


@pytest.mark.parametrize(
    ("value", "before", "unit", "neutral"),
    [
        (0.5, 0.5, "percent", True),
        (0.5004, 0.5, "percent", True),
        (0.51, 0.5, "percent", False),
        (100.0, 100.0, "money", True),
        (99.0, 100.0, "number", False),
    ],
)
def test_a_change_that_is_none_once_it_is_written_is_neither_good_nor_bad(
    value: float, before: float, unit: cards.Unit, neutral: bool
) -> None:
    assert cards._unchanged(cards._delta(Card("orders", unit, value, before))) is neutral
