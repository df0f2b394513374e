"""Who comes back: cohorts and segments, counted one customer after the other from the CSV files."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform
from streamlit_monitor.period import Span
from streamlit_monitor.queries import customers
from streamlit_monitor.store import Store


def bought(platform: Platform) -> dict[str, list[tuple[datetime, str, float]]]:
    """When each customer ordered, what became of it and what it brought, the oldest first."""
    found = defaultdict(list)
    orders = truth.orders(platform).sort_values("ordered_at")
    for order in orders.itertuples():
        found[str(order.customer_id)].append(
            (order.ordered_at.to_pydatetime(), str(order.status), float(order.revenue))
        )
    return found


def segment(recency: int, frequency: int) -> str:
    """The first line of the table in docs/dashboard.md that fits."""
    lines = (
        ("champions", 90, range(5, 10**6)),
        ("loyal", 180, range(3, 10**6)),
        ("new", 90, range(1, 2)),
        ("promising", 180, range(10**6)),
        ("at_risk", 365, range(3, 10**6)),
        ("sleeping", 365, range(10**6)),
    )
    return next((name for name, days, orders in lines if recency <= days and frequency in orders), "lost")


def test_segments_are_those_of_the_table_in_the_documentation(platform: Platform, store: Store) -> None:
    for end in (truth.end_of_data(platform), truth.end_of_data(platform) - timedelta(days=91)):
        counts: Counter[str] = Counter()
        revenue: dict[str, float] = defaultdict(float)
        for orders in bought(platform).values():
            kept = [(at, money) for at, status, money in orders if at < end and status != "CANCELLED"]
            if kept:
                name = segment((end.date() - kept[-1][0].date()).days, len(kept))
                counts[name] += 1
                revenue[name] += sum(money for _, money in kept)
        found = customers.segments(store, Span(end - timedelta(days=28), end)).set_index("name")
        assert len(counts) > 3, "the shop is too small to tell the segments apart"
        assert found["customers"].astype(int).to_dict() == counts
        assert found["revenue"].round(2).to_dict() == {name: round(money, 2) for name, money in revenue.items()}
        assert list(found.index) == [name for name in customers.SEGMENTS if name in counts]


def test_cohorts_are_the_customers_of_a_month_who_bought_again_so_many_months_later(
    platform: Platform, store: Store
) -> None:
    end = truth.end_of_data(platform)
    oldest = (end - timedelta(days=360)).replace(day=1)
    expected: Counter[tuple[datetime, int]] = Counter()
    for orders in bought(platform).values():
        first = orders[0][0]
        if not oldest <= first < end:
            continue
        ages = {(at.year - first.year) * 12 + at.month - first.month for at, _, _ in orders if at < end}
        month = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        expected.update((month, age) for age in ages)
    found = customers.cohorts(store, oldest, end)
    months = [month.to_pydatetime() for month in found["cohort"]]
    assert max(age for _, age in expected) > 3, "the shop is too young to see anybody come back"
    assert dict(zip(zip(months, found["age"].astype(int), strict=True), found["customers"], strict=True)) == expected
