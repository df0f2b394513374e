"""The drift of a distribution between two periods."""

from __future__ import annotations

import pytest

from dropship_dagster.checks.drift import stability_index


def test_the_same_shares_do_not_drift() -> None:
    assert stability_index({"web": 300, "app": 100}, {"web": 30, "app": 10}) == pytest.approx(0)


def test_a_small_shift_is_small_and_a_large_one_large() -> None:
    assert stability_index({"web": 520, "app": 480}, {"web": 500, "app": 500}) < 0.01
    assert stability_index({"web": 900, "app": 100}, {"web": 500, "app": 500}) > 0.25


def test_a_value_that_is_new_or_gone_is_finite_and_large() -> None:
    assert 0.25 < stability_index({"web": 500, "kiosk": 500}, {"web": 1000}) < 100
    assert 0.25 < stability_index({"web": 1000}, {"web": 500, "kiosk": 500}) < 100
