"""The shop in its time-lapse: it sells by history's demand, at any speed, over restarts and kills."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from dropship_dagster import clock
from dropship_dagster.shop import ShopConfig, load_parameters
from dropship_dagster.shop.config import Parameters
from dropship_dagster.shop.history import Shop
from dropship_dagster.stream import CUSTOMERS, ORDERS_EVENTS, StreamError, live, opening
from dropship_dagster.stream.simulation import Pace, Simulation, State, time_lapse
from dropship_dagster_tests.stream.conftest import Topics

DAY = pd.Timedelta(days=1)
END = pd.Timestamp("2026-01-01")
A_DAY_A_SECOND = 86_400.0
FAST = 1_000_000.0
LIVE_DAYS, WINDOW = 60, 28


def simulated(shop: Shop, seconds: int, pace: Pace, state: State | None = None) -> tuple[pd.DataFrame, State]:
    """The order events of the stream, a row each, and the state afterwards."""
    simulation = Simulation(shop)
    state = state or simulation.first_state(pace.life_cycle_speed)
    values: list[bytes] = []
    for _ in range(seconds):
        interval = simulation.next_interval(state, pace)
        values += interval.orders.values.to_pylist()
        state = interval.state
    return told([orjson.loads(value) for value in values]), state


def told(events: list[dict[str, Any]]) -> pd.DataFrame:
    names = ("order_id", "version", "event_type", "event_time", "total", "customer_id")
    frame = pd.DataFrame([{name: event.get(name) for name in names} for event in events], columns=list(names))
    frame["at"] = pd.to_datetime(frame["event_time"]).dt.tz_localize(None)
    return frame.assign(total=frame["total"].astype("float64"))


def of_history(shop: Shop) -> pd.DataFrame:
    """The order events of the files, in the same form."""
    parts = []
    for block, events in shop.history():
        rows = shop.life_cycle.table(events).to_pandas()
        totals = dict(zip(shop.orders.orders_table(block)["order_id"].to_pylist(), block.total / 100, strict=True))
        rows["total"] = [
            totals.get(order) if kind == "order_placed" else None
            for order, kind in zip(rows["order_id"], rows["event_type"], strict=True)
        ]
        rows["at"] = pd.to_datetime(rows["event_time"]).dt.tz_localize(None)
        parts.append(rows[["order_id", "version", "event_type", "at", "total"]])
    return pd.concat(parts, ignore_index=True)


def steady(parameters: Parameters) -> Parameters:
    """A shop that neither grows nor knows seasons, so that any four weeks are like any others."""
    demand = parameters.demand.model_copy(update={"yearly_growth": 0.0, "months": [1] * 12})
    return parameters.model_copy(update={"demand": demand, "sales": []})


@pytest.fixture(scope="module")
def windows() -> list[tuple[pd.Timestamp, pd.DataFrame]]:
    """The last four weeks of history and the four-week windows after it: where each begins, and all events by then."""
    shop = Shop(ShopConfig(customers=3_000, products=200, orders=20_000, parameters=steady(load_parameters())))
    stream, _ = simulated(shop, LIVE_DAYS, time_lapse(A_DAY_A_SECOND))
    events = pd.concat([of_history(shop), stream], ignore_index=True)
    starts = [END - WINDOW * DAY, END + (LIVE_DAYS - 2 * WINDOW) * DAY, END + (LIVE_DAYS - WINDOW) * DAY]
    return [(start, events[events["at"] < start + WINDOW * DAY]) for start in starts]


@pytest.mark.parametrize("after", [1, 2])
def test_four_weeks_of_the_stream_look_like_the_last_four_of_history(
    windows: list[tuple[pd.Timestamp, pd.DataFrame]], after: int
) -> None:
    ours, theirs = (Weeks(*windows[which]) for which in (after, 0))
    # Counts: Poisson's spread is wider than that of the stratified draws, so chance is left more than it needs.
    assert abs(ours.orders - theirs.orders) < 4 * math.sqrt(ours.orders + theirs.orders)
    assert same_distribution(ours.orders_a_day, theirs.orders_a_day)
    assert same_distribution(ours.revenue_a_day, theirs.revenue_a_day)
    assert same_shares(ours.hours, theirs.hours)
    assert same_shares(ours.statuses, theirs.statuses)
    assert same_distribution(ours.days_to("order_shipped"), theirs.days_to("order_shipped"))
    assert same_distribution(ours.days_to("order_delivered"), theirs.days_to("order_delivered"))


class Weeks:
    """What a window of four weeks looks like at its end."""

    def __init__(self, start: pd.Timestamp, events: pd.DataFrame) -> None:
        self._start, self._events = start, events
        placed = events[events["event_type"] == "order_placed"].set_index("order_id")
        self._placed = placed["at"]
        self._here = placed[placed["at"] >= start]
        self.orders = len(self._here)
        self.hours = self._here["at"].dt.hour.value_counts()

    @property
    def orders_a_day(self) -> pd.Series:
        return self._here.groupby(self._day).size().reindex(range(WINDOW), fill_value=0)

    @property
    def revenue_a_day(self) -> pd.Series:
        return self._here.groupby(self._day)["total"].sum().reindex(range(WINDOW), fill_value=0.0)

    @property
    def statuses(self) -> pd.Series:
        newest = self._events.sort_values("version").groupby("order_id")["event_type"].last()
        return newest[self._here.index].value_counts()

    def days_to(self, step: str) -> pd.Series:
        """From the order to the step, of the steps that lie in the window."""
        steps = self._events[(self._events["event_type"] == step) & (self._events["at"] >= self._start)]
        return (steps.set_index("order_id")["at"] - self._placed).dropna() / DAY

    @property
    def _day(self) -> pd.Series:
        return (self._here["at"] - self._start) // DAY


def same_distribution(one: pd.Series, other: pd.Series) -> bool:
    """Kolmogorov and Smirnov's test of two samples, at one in a thousand."""
    points = np.sort(np.concatenate([one, other]))
    apart = np.searchsorted(np.sort(one), points, "right") / len(one)
    apart -= np.searchsorted(np.sort(other), points, "right") / len(other)
    limit = math.sqrt(-math.log(0.001 / 2) / 2 * (len(one) + len(other)) / (len(one) * len(other)))
    return bool(np.abs(apart).max() <= limit)


def same_shares(one: pd.Series, other: pd.Series) -> bool:
    """Pearson's chi-square of two samples, at one in a thousand (by the cube root of Wilson and Hilferty)."""
    table = pd.concat([one, other], axis=1).fillna(0).to_numpy(dtype="float64")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    freedom = len(table) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    return bool(((table - expected) ** 2 / expected).sum() <= limit)


def test_a_rate_does_not_pass_for_the_demand_of_history(windows: list[tuple[pd.Timestamp, pd.DataFrame]]) -> None:
    start, events = windows[0]
    crowd = pd.concat([events, events.assign(order_id=events["order_id"] + "x")])
    assert not same_distribution(Weeks(start, crowd).orders_a_day, Weeks(start, events).orders_a_day)
    shifted = events.assign(at=events["at"] + pd.Timedelta(hours=6))
    assert not same_shares(Weeks(start, shifted).hours, Weeks(start, events).hours)
    slow = events.assign(at=events["at"] + (events["event_type"] == "order_delivered") * 2 * DAY)
    days = [Weeks(start, each).days_to("order_delivered") for each in (slow, events)]
    assert not same_distribution(*days)


def test_season_sales_and_growth_go_on_as_in_a_longer_history() -> None:
    parameters = load_parameters()
    shop = Shop(ShopConfig(customers=1_000, products=100, orders=20_000))
    stream, _ = simulated(shop, 365, time_lapse(A_DAY_A_SECOND))
    here = stream[stream["event_type"] == "order_placed"]
    months = here.groupby(here["at"].dt.to_period("M")).size()
    # A shop that was open a year longer and sold as much more as its demand asks for: made by the history's code.
    period = parameters.period.model_copy(update={"end": dt.date(2027, 1, 1)})
    longer = Shop(ShopConfig(orders=20_000 + len(here), parameters=parameters.model_copy(update={"period": period})))
    rows = np.arange(20_000 + len(here), dtype=np.int64)
    moments = pd.Series(pd.to_datetime(longer.demand.moments(rows, len(rows)), unit="ms"))
    expected = moments[moments >= END].dt.to_period("M").value_counts().sort_index()
    assert (abs(months - expected) <= 2).all()
    assert months["2026-11"] > 1.3 * months["2026-08"], "Black Friday is in it"


def test_the_speed_of_the_clock_changes_nothing_but_the_pace() -> None:
    shop = Shop(ShopConfig(customers=200, products=30, orders=2_000))
    daily, after_days = simulated(shop, 6, time_lapse(A_DAY_A_SECOND))
    slowly, after_hours = simulated(Shop(shop.config), 6 * 36, time_lapse(A_DAY_A_SECOND / 36))
    pd.testing.assert_frame_equal(daily, slowly)
    assert (after_days.clock_us, after_days.next_row) == (after_hours.clock_us, after_hours.next_row)
    assert len(daily[daily["event_type"] == "order_placed"]) > 10
    assert daily["at"].is_monotonic_increasing


def test_after_a_load_test_the_shop_sells_as_before() -> None:
    shop = Shop(ShopConfig(customers=200, products=30, orders=10_000))
    usual, _ = simulated(shop, 10, time_lapse(A_DAY_A_SECOND))
    crowd, state = simulated(Shop(shop.config), 60, Pace(500, daily_curve=False, life_cycle_speed=8_640))
    after, _ = simulated(Shop(shop.config), 10, time_lapse(A_DAY_A_SECOND), state)
    orders = [frame[frame["event_type"] == "order_placed"] for frame in (usual, crowd, after)]
    assert len(orders[1]) > 10 * len(orders[0])
    assert abs(len(orders[2]) - len(orders[0])) <= 2, "a minute of shop time is missing"
    assert not set(orders[1]["order_id"]) & set(orders[2]["order_id"])


def test_a_run_sends_what_happens_in_its_time(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    report = live(topics.client, seeds, clock=FAST, duration=3, state=tmp_path / "state", topic_names=topics.names)
    assert report.seconds >= 3
    config = ShopConfig.model_validate(json.loads((seeds / "manifest.json").read_text())["config"])
    expected, _ = simulated(Shop(config), 3, time_lapse(FAST))
    sent = told(topics.events(ORDERS_EVENTS)).sort_values(["at", "order_id", "version"], ignore_index=True)
    expected = expected.sort_values(["at", "order_id", "version"], ignore_index=True)
    pd.testing.assert_frame_equal(sent, expected)
    registered = {each["customer_id"]: each["event_time"] for each in topics.events(CUSTOMERS)}
    assert registered
    placed = sent[sent["event_type"] == "order_placed"]
    theirs = placed[placed["customer_id"].isin(list(registered))]
    assert all(registered[who] <= when for who, when in zip(theirs["customer_id"], theirs["event_time"], strict=True))


_PROGRAM = """
from pathlib import Path
from dropship_dagster.stream import live
live(%r, Path(%r), clock=%r, state=Path(%r), topic_names=%r)
"""


@pytest.mark.parametrize("next_clock", [FAST, FAST / 7])
def test_a_kill_makes_no_order_twice_and_loses_none(
    new_topics: Callable[[], Topics], seeds: Path, tmp_path: Path, next_clock: float
) -> None:
    topics, state = new_topics(), tmp_path / "state"
    program = _PROGRAM % (topics.client, str(seeds), FAST, str(state), topics.names)
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        while topics.count() < 150:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = topics.count()
    live(topics.client, seeds, clock=next_clock, duration=12, state=state, topic_names=topics.names)
    values: dict[str, set[bytes]] = {}
    for row in topics.rows():
        values.setdefault(json.loads(row["value"])["event_id"], set()).add(row["value"])
    assert topics.count() > len(values), "the kill struck: some events were sent again"
    assert len(values) > before
    assert all(len(found) == 1 for found in values.values()), "what is sent again is the same to the byte"
    events = told(topics.events(ORDERS_EVENTS)).drop_duplicates(["order_id", "version"])
    new = events[events["order_id"] > "O00000400"]
    numbers = sorted(int(order[1:]) for order in new["order_id"].unique())
    assert numbers == list(range(401, 401 + len(numbers)))
    assert all(
        sorted(found) == list(range(1, len(found) + 1)) for found in new.groupby("order_id")["version"].apply(list)
    )


def test_the_clock_goes_on_between_two_runs_and_the_next_one_sends_what_happened(
    topics: Topics, seeds: Path, tmp_path: Path
) -> None:
    state = tmp_path / "live.state"

    def run(*, followed: bool) -> clock.ShopClock:
        live(
            topics.client, seeds, clock=A_DAY_A_SECOND, duration=1, followed=followed, state=state,
            topic_names=topics.names,
        )  # fmt: skip
        told_time = clock.read(tmp_path / "live.clock")
        assert told_time is not None
        return told_time

    first = run(followed=True)
    assert first.running
    assert first.speed == A_DAY_A_SECOND
    # As if that had been half a minute ago.
    clock.write(tmp_path / "live.clock", replace(first, wall_ms=first.wall_ms - 30_000))
    second = run(followed=False)
    assert not second.running
    assert second.shop_ms - first.shop_ms >= 31 * 86_400_000
    newest = told(topics.events(ORDERS_EVENTS))["at"].max()
    assert END + 30 * DAY < newest < clock.moment_of(second.shop_ms)
    # One that stood still goes on from there, however long ago that was.
    clock.write(tmp_path / "live.clock", replace(second, wall_ms=second.wall_ms - 3_600_000))
    third = run(followed=False)
    assert 86_400_000 <= third.shop_ms - second.shop_ms < 86_400_000 * 20


def test_a_producer_that_is_gone_leaves_the_clock_standing_after_a_minute() -> None:
    told_time = clock.ShopClock(shop_ms=1_000_000, wall_ms=500_000, speed=1440, rate=0, running=True)
    assert told_time.at(500_000 - 7) == 1_000_000
    assert told_time.at(501_000) == 1_000_000 + 1_440_000
    assert told_time.at(560_000) == told_time.at(9_560_000) == 1_000_000 + 60 * 1_440_000
    assert told_time.goes(559_999)
    assert not told_time.goes(560_000)
    assert replace(told_time, running=False).at(560_000) == 1_000_000


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 2}', b'{"format": 1, "shop_ms": 3}', b"\xff"])
def test_a_file_that_is_no_clock_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "live.clock").write_bytes(content)
    assert clock.read(tmp_path / "live.clock") is None
    assert "the wall clock" in clock.shown(tmp_path / "live.clock")


def test_a_load_test_says_that_it_is_one(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    report = live(topics.client, seeds, rate=20, duration=1, state=tmp_path / "state", topic_names=topics.names)
    assert report.shop_clock == "1 Jan 2026 00:00 (x1, load test at 20 events a second, standing still)"


def test_the_opening_tells_the_first_orders_at_any_speed(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    slow, fast = (opening(seeds, clock=speed, state=tmp_path / "state") for speed in (1.0, FAST))
    assert len(slow) >= 20
    assert slow == fast[: len(slow)]
    live(topics.client, seeds, clock=FAST, duration=5, state=tmp_path / "state", topic_names=topics.names)
    placed = [event["order_id"] for event in topics.events(ORDERS_EVENTS) if event["event_type"] == "order_placed"]
    assert {record.id for record in slow} <= set(placed)
    assert opening(seeds, state=tmp_path / "state") == []


def test_a_state_of_before_there_was_a_time_lapse_goes_on(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    live(topics.client, seeds, rate=100, duration=0.5, state=state, topic_names=topics.names)
    with np.load(state, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    head = json.loads(bytes(arrays["head"]))
    head["format"] = 2
    del head["pace"]["clock"]
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    written = io.BytesIO()
    np.savez(written, allow_pickle=False, **arrays)
    state.write_bytes(written.getvalue())
    live(topics.client, seeds, clock=FAST, duration=2, state=state, topic_names=topics.names)
    events = told(topics.events(ORDERS_EVENTS))
    assert not events.duplicated(["order_id", "version"]).any()
    assert events["at"].max() > END + 10 * DAY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clock": 0.5}, r"shop's clock of 0\.5 .* 1 to 1,000,000"),
        ({"clock": math.nan}, "shop's clock of nan"),
        ({"daily_curve": True}, "belong to a rate"),
        ({"life_cycle_speed": 10.0}, "belong to a rate"),
    ],
)
def test_a_clock_that_makes_no_sense_is_refused(
    topics: Topics, seeds: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(StreamError, match=words):
        live(topics.client, seeds, duration=0.1, state=tmp_path / "state", **options)
    assert not (tmp_path / "state").exists()


def test_the_end_of_the_calendar_is_a_sentence(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    start = dt.datetime(2149, 12, 31, tzinfo=dt.UTC)
    with pytest.raises(StreamError, match="reached 2150"):
        live(topics.client, seeds, clock=FAST, start=start, state=tmp_path / "state", topic_names=topics.names)
