"""Periods and what they are compared with."""

# ruff: noqa: DTZ001 - times are naive UTC, as in the warehouse

from datetime import date, datetime, timedelta

import pytest

from streamlit_monitor.period import PRESETS, Preset, Span, period

NEWEST = datetime(2025, 12, 31, 21, 54)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_period_ends_with_the_day_of_the_newest_order(preset: str) -> None:
    assert period(NEWEST, preset).current.end == datetime(2026, 1, 1)


@pytest.mark.parametrize("preset", ["7d", "28d", "year"])
def test_a_period_and_the_one_before_hold_the_same_weekdays(preset: str) -> None:
    found = period(NEWEST, preset)
    assert found.previous is not None
    assert found.previous.start.weekday() == found.current.start.weekday()
    assert found.previous.start + (found.current.end - found.current.start) == found.current.start


def test_a_day_in_progress_is_compared_up_to_the_same_hour() -> None:
    found = period(datetime(2025, 12, 31, 9, 30), "today")
    assert found.previous == Span(datetime(2025, 12, 30), datetime(2025, 12, 30, 10))


@pytest.mark.parametrize(
    ("preset", "days", "until"),
    [
        ("today", None, datetime(2025, 12, 31, 22)),
        ("28d", None, datetime(2025, 12, 31, 22)),
        ("custom", (date(2025, 3, 1), date(2025, 3, 2)), datetime(2025, 3, 3)),
        ("custom", (date(2026, 3, 1), date(2026, 3, 2)), datetime(2026, 3, 1)),
    ],
)
def test_what_is_known_of_a_period_ends_with_the_hour_of_the_newest_order(
    preset: Preset, days: tuple[date, date] | None, until: datetime
) -> None:
    assert period(NEWEST, preset, custom=days).until == until


def test_a_custom_period_holds_both_its_days_in_either_order() -> None:
    days = date(2025, 11, 30), date(2025, 11, 1)
    found = period(NEWEST, "custom", "none", days)
    assert found.current == Span(datetime(2025, 11, 1), datetime(2025, 12, 1))
    assert found.previous is None


def test_a_year_earlier_is_the_same_weekday() -> None:
    found = period(NEWEST, "28d", "year")
    assert found.previous is not None
    assert found.current.start - found.previous.start == timedelta(weeks=52)


def test_a_custom_period_after_the_newest_order_is_compared_whole() -> None:
    days = date(2026, 3, 1), date(2026, 3, 2)
    found = period(NEWEST, "custom", "previous", days)
    assert found.previous == Span(datetime(2026, 2, 27), datetime(2026, 3, 1))


@pytest.mark.parametrize("days", [1, 2, 3, 28, 124, 125, 364, 868, 869, 3650])
def test_the_points_of_a_chart_cover_the_span_and_stay_few(days: int) -> None:
    span = Span(datetime(2020, 1, 1), datetime(2020, 1, 1) + timedelta(days=days))
    points = span.points
    assert points[0] == span.start
    assert points[-1] < span.end <= points[-1] + timedelta(seconds=span.step)
    assert len(points) <= 131
