"""Schedules, without a clock: which message is due when."""

from __future__ import annotations

import numpy as np
import pytest

from dropship_dagster.stream.pacing import EvenRate, TimeLapse, Unlimited


@pytest.mark.parametrize("rate", [10, 1_000, 50_000])
def test_at_an_even_rate_message_i_is_due_at_i_divided_by_the_rate(rate: int) -> None:
    schedule = EvenRate(rate)
    times = np.zeros(1_000, dtype=np.int64)
    assert schedule.due(0.0, 0, times, 0) == 1
    assert schedule.due(2.0 / rate + 1e-9, 0, times, 0) == 3
    assert schedule.due(2.0 / rate + 1e-9, 0, times, 3) == 0
    assert schedule.next_due(5_000, times, 7) == 5_007 / rate
    assert schedule.end(rate) == 1.0


def test_a_late_sender_catches_up_at_once() -> None:
    assert EvenRate(100).due(5.0, 0, np.zeros(1_000, dtype=np.int64), 10) == 491


def test_without_a_limit_everything_is_due() -> None:
    assert Unlimited().due(0.0, 7, np.zeros(10, dtype=np.int64), 4) == 6


def test_a_time_lapse_begins_with_the_first_message_it_is_asked_for() -> None:
    schedule = TimeLapse(10.0)
    times = np.array([0, 50_000, 60_000, 90_000])
    assert schedule.due(3.0, 0, times, 1) == 1
    assert schedule.next_due(0, times, 2) == pytest.approx(4.0)
    assert schedule.due(4.0, 0, times, 2) == 1
    assert schedule.due(7.0, 0, times, 3) == 1


def test_in_a_time_lapse_what_lies_back_in_time_is_due_at_once() -> None:
    schedule = TimeLapse(1.0)
    assert schedule.due(0.0, 0, np.array([10_000, 5_000, 20_000]), 0) == 2
