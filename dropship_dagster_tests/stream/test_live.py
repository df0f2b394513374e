"""The continuous stream: exact, the same for the same seed, and of one piece over restarts and kills."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropship_dagster.shop import ShopConfig
from dropship_dagster.shop.history import Shop
from dropship_dagster.stream import CUSTOMERS, ORDERS_EVENTS, PRODUCTS, StreamError, live, moment, replay
from dropship_dagster.stream.continuous import LAST_START, _identity
from dropship_dagster.stream.livestate import load
from dropship_dagster.stream.simulation import Pace, Simulation
from dropship_dagster_tests.stream.conftest import Topics

CONFIG = ShopConfig(customers=100, products=30, orders=400)
PACE = Pace(2_000, daily_curve=False, life_cycle_speed=500_000)


def content(topics: Topics) -> list[tuple[str, bytes, bytes]]:
    """Topic (without what makes the test's topics its own), key and value, partition by partition."""
    return [(row["topic"].split("-")[0], row["key"], row["value"]) for row in topics.rows()]


def versions(events: list[dict[str, Any]]) -> dict[str, list[int]]:
    """The versions of every order, as they lie in its partition."""
    found: dict[str, list[int]] = {}
    for event in events:
        found.setdefault(event["order_id"], []).append(event["version"])
    return found


def test_a_run_sends_rate_times_duration_events(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    report = live(topics.client, seeds, rate=500, duration=2, state=tmp_path / "state", topic_names=topics.names)
    assert report.sent == report.acknowledged == 1_000 == topics.count()
    assert report.seconds >= 2.0
    assert not report.stopped


def test_the_same_seed_gives_the_same_bytes_in_one_run_or_in_two(
    new_topics: Callable[[], Topics], seeds: Path, tmp_path: Path
) -> None:
    whole, halves, other = new_topics(), new_topics(), new_topics()
    live(whole.client, seeds, rate=700, duration=2, state=tmp_path / "one", topic_names=whole.names)
    for duration in (0.7, 1.3):
        live(halves.client, seeds, rate=700, duration=duration, state=tmp_path / "two", topic_names=halves.names)
    live(other.client, seeds, rate=700, duration=2, seed=9, state=tmp_path / "three", topic_names=other.names)
    assert content(whole) == content(halves)
    assert content(whole) != content(other)


def test_another_seed_leaves_the_orders_of_history_the_life_they_have_begun(
    new_topics: Callable[[], Topics], seeds: Path, tmp_path: Path
) -> None:
    own, other = new_topics(), new_topics()
    for topics, seed in ((own, None), (other, 9)):
        state = tmp_path / topics.names[ORDERS_EVENTS]
        live(
            topics.client, seeds, rate=700, duration=2, life_cycle_speed=500_000, seed=seed, state=state,
            topic_names=topics.names,
        )  # fmt: skip
    steps = [
        {
            (event["order_id"], event["version"]): (event["event_type"], event["event_time"])
            for event in topics.events(ORDERS_EVENTS)
            if int(event["order_id"][1:]) <= 400
        }
        for topics in (own, other)
    ]
    assert steps[0]
    assert steps[0] == steps[1]


def test_orders_go_on_after_the_last_of_history_and_live_their_lives(
    topics: Topics, seeds: Path, tmp_path: Path
) -> None:
    live(
        topics.client,
        seeds,
        rate=2_000,
        duration=3,
        life_cycle_speed=500_000,
        state=tmp_path / "state",
        topic_names=topics.names,
    )
    events = topics.events(ORDERS_EVENTS)
    placed = [event for event in events if event["event_type"] == "order_placed"]
    numbers = sorted(int(event["order_id"][1:]) for event in placed)
    assert numbers == list(range(401, 401 + len(numbers)))
    new = {order: found for order, found in versions(events).items() if int(order[1:]) > 400}
    assert all(found == list(range(1, len(found) + 1)) for found in new.values())
    kinds = Counter(event["event_type"] for event in events)
    assert set(kinds) == {
        *("order_placed", "order_paid", "order_shipped", "order_delivered", "order_cancelled", "order_returned")
    }
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    moments = [dt.datetime.fromisoformat(event["event_time"]) for event in events]
    assert min(moments) >= start
    assert max(moments) < start + dt.timedelta(seconds=3)


def test_stock_falls_with_the_sales_and_is_announced(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    live(topics.client, seeds, rate=800, duration=5, state=tmp_path / "state", topic_names=topics.names)
    products = topics.events(PRODUCTS)
    assert products
    stocks: dict[str, list[tuple[int, int]]] = {}
    for product in products:
        assert product["stock"] >= 0
        stocks.setdefault(product["product_id"], []).append((product["version"], product["stock"]))
    for found in stocks.values():
        assert [version for version, _ in found] == list(range(2, 2 + len(found)))
    falls = sum(b[1] < a[1] for found in stocks.values() for a, b in pairwise(found))
    rises = sum(b[1] > a[1] for found in stocks.values() for a, b in pairwise(found))
    assert falls > rises


def test_customers_sign_up_before_they_order_and_go_on_after_a_restart(
    topics: Topics, seeds: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        live(topics.client, seeds, rate=3_000, duration=1, state=tmp_path / "state", topic_names=topics.names)
    customers = topics.events(CUSTOMERS)
    numbers = sorted(int(customer["customer_id"][1:]) for customer in customers)
    assert numbers == list(range(101, 101 + len(numbers)))
    assert len({customer["email"] for customer in customers}) == len(customers)
    signed_up = {customer["customer_id"]: customer["signed_up_at"] for customer in customers}
    assert all(customer["event_time"] == customer["signed_up_at"] for customer in customers)
    placed = [event for event in topics.events(ORDERS_EVENTS) if event["event_type"] == "order_placed"]
    theirs = [event for event in placed if event["customer_id"] in signed_up]
    assert theirs
    assert all(signed_up[event["customer_id"]] <= event["event_time"] for event in theirs)
    assert {int(event["customer_id"][1:]) for event in placed} <= set(range(1, 101)) | set(numbers)
    assert 0.1 < len(customers) / (len(customers) + len(placed)) < 0.2


_PROGRAM = """
import signal, threading
from itertools import pairwise
from pathlib import Path
from dropship_dagster.stream import live
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
report = live(%r, Path(%r), rate=%r, state=Path(%r), topic_names=%r, life_cycle_speed=500_000, stop=stop)
print(report.to_json())
"""


def started(topics: Topics, seeds: Path, state: Path, rate: float) -> subprocess.Popen[str]:
    program = _PROGRAM % (topics.client, str(seeds), rate, str(state), topics.names)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def wait_for_events(topics: Topics, process: subprocess.Popen[str], wanted: int) -> None:
    while topics.count() < wanted:
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.parametrize("next_rate", [3_000, pytest.param(800, marks=pytest.mark.slow)])
def test_a_kill_makes_no_order_twice_and_loses_none(
    new_topics: Callable[[], Topics], seeds: Path, tmp_path: Path, next_rate: int
) -> None:
    topics, state = new_topics(), tmp_path / "state"
    process = started(topics, seeds, state, 3_000)
    try:
        wait_for_events(topics, process, 4_000)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = topics.count()
    live(
        topics.client,
        seeds,
        rate=next_rate,
        duration=before / 3_000 + 4,  # beyond the place of the kill, wherever the last checkpoint was
        life_cycle_speed=500_000,
        state=state,
        topic_names=topics.names,
    )
    rows = topics.rows()
    values: dict[str, set[bytes]] = {}
    for row in rows:
        values.setdefault(json.loads(row["value"])["event_id"], set()).add(row["value"])
    assert len(rows) > len(values), "the kill struck: some events were sent again"
    assert len(rows) > before
    assert all(len(found) == 1 for found in values.values()), "what is sent again is the same to the byte"
    orders = versions(topics.events(ORDERS_EVENTS))
    new = sorted(int(order[1:]) for order in orders if int(order[1:]) > 400)
    assert new == list(range(401, 401 + len(new)))
    assert all(set(found) == set(range(1, max(found) + 1)) for order, found in orders.items() if int(order[1:]) > 400)


def test_sigterm_drains_and_ends_well(new_topics: Callable[[], Topics], seeds: Path, tmp_path: Path) -> None:
    topics = new_topics()
    process = started(topics, seeds, tmp_path / "state", 1_000)
    try:
        wait_for_events(topics, process, 500)
        process.terminate()
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    report = json.loads(output)
    assert process.returncode == 0
    assert report["stopped"]
    assert report["sent"] == report["acknowledged"] == topics.count()
    again = live(
        topics.client,
        seeds,
        rate=1_000,
        duration=0.5,
        life_cycle_speed=500_000,
        state=tmp_path / "state",
        topic_names=topics.names,
    )
    ids = [json.loads(row["value"])["event_id"] for row in topics.rows()]
    assert again.resent == 0
    assert len(ids) == len(set(ids)) == report["sent"] + 500


def test_a_second_producer_on_the_same_state_is_refused(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    begun = threading.Event()
    first = threading.Thread(
        target=lambda: live(
            topics.client,
            seeds,
            rate=50,
            state=tmp_path / "state",
            stop=stop,
            topic_names=topics.names,
            progress=lambda *_: begun.set(),
        )
    )
    first.start()
    try:
        assert begun.wait(timeout=120)
        with pytest.raises(StreamError, match="Another live producer"):
            live(topics.client, seeds, rate=50, duration=1, state=tmp_path / "state", topic_names=topics.names)
    finally:
        stop.set()
        first.join()


def test_a_state_of_another_shop_or_a_broken_one_is_refused(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    live(topics.client, seeds, rate=100, duration=0.1, state=state, topic_names=topics.names)
    with pytest.raises(StreamError, match=r"another shop or seed.*--state FILE"):
        live(topics.client, seeds, rate=100, duration=0.1, seed=5, state=state, topic_names=topics.names)
    whole = state.read_bytes()
    for broken in (
        b"",
        whole[:100],
        whole[:-1],
        b"\0" * 100,
        b"[]",
        pickle.dumps({}),
        np.lib.format.magic(1, 0),
        b"PK",
    ):
        state.write_bytes(broken)
        with pytest.raises(
            StreamError, match=r"is damaged, .*: put it back from a backup.*another DROPSHIP_HOME"
        ) as caught:
            live(topics.client, seeds, rate=100, duration=0.1, state=state, topic_names=topics.names)
        assert "pickle" not in str(caught.value), "numpy's advice is not ours"
    state.unlink()
    state.mkdir()
    with pytest.raises(StreamError, match="cannot be read"):
        live(topics.client, seeds, rate=100, duration=0.1, state=state, topic_names=topics.names)


def test_a_state_with_any_byte_changed_is_refused_or_says_the_same(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    path = tmp_path / "state"
    live(topics.client, seeds, rate=50, duration=0.1, state=path, topic_names=topics.names)
    content = path.read_bytes()
    config = ShopConfig.model_validate(json.loads((seeds / "manifest.json").read_text())["config"])
    identity = _identity(config, None)
    saved = load(path, identity)
    assert saved is not None
    refused = 0
    for place in range(0, len(content), max(1, len(content) // 500)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            found = load(path, identity)
        except StreamError:
            refused += 1
        else:
            assert found is not None
            assert (found.identity, found.pace, found.begun) == (saved.identity, saved.pace, saved.begun)
            assert np.array_equal(found.state.stock, saved.state.stock)
    assert refused > 300


def test_a_folder_without_a_manifest_is_refused(topics: Topics, tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"no manifest\.json"):
        live(topics.client, tmp_path, rate=100, duration=0.1, state=tmp_path / "state")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": math.nan}, r"rate of nan .* 0\.001 to 1,000,000"),
        ({"rate": math.inf}, "rate of inf"),
        ({"rate": 0}, "rate of 0"),
        ({"duration": math.nan}, "duration of nan"),
        ({"duration": math.inf}, "duration of inf .* 0 to 1,000,000,000"),
        ({"duration": -1}, "duration of -1"),
        ({"life_cycle_speed": 0}, "life cycle speed of 0"),
        ({"life_cycle_speed": math.nan}, "life cycle speed of nan"),
        ({"start": dt.datetime(2262, 4, 11, tzinfo=dt.UTC)}, "2262-04-11.* from 1970-01-01 to 2150-01-01"),
        ({"start": dt.datetime(1, 1, 1, tzinfo=dt.UTC)}, "0001-01-01.* from 1970-01-01 to 2150-01-01"),
        ({"start": dt.datetime(2026, 7, 1)}, "no zone"),  # noqa: DTZ001 - what it is about
    ],
)
def test_a_number_or_start_that_makes_no_sense_is_refused_with_the_range(
    topics: Topics, seeds: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(StreamError, match=words):
        live(topics.client, seeds, state=tmp_path / "state", **{"rate": 10, "duration": 0.1, **options})
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("text", ["2262-04-11T23:47:15Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_start_outside_the_calendar_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(StreamError, match="from 1970-01-01 to 2150-01-01"):
        moment(text)


@pytest.mark.parametrize("options", [{"rate": math.nan}, {"rate": math.inf}, {"speed": 0.0}, {"speed": math.nan}])
def test_a_replay_refuses_a_pace_that_makes_no_sense(topics: Topics, seeds: Path, options: dict[str, Any]) -> None:
    with pytest.raises(StreamError, match=f"{next(iter(options))} of .* cannot be: give"):
        replay(topics.client, seeds, topic_names=topics.names, **options)


def test_an_order_of_the_last_start_can_be_written(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    live(
        topics.client, seeds, rate=500, duration=1, start=LAST_START, life_cycle_speed=0.01, state=tmp_path / "state",
        topic_names=topics.names,
    )  # fmt: skip
    placed = [event for event in topics.events(ORDERS_EVENTS) if event["event_type"] == "order_placed"]
    assert placed
    assert all(event["event_time"].startswith("2150-01-01T00:00:0") for event in placed)


def test_the_clock_can_be_moved_forward(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    start = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
    live(topics.client, seeds, rate=100, duration=0.5, start=start, state=tmp_path / "state", topic_names=topics.names)
    assert all(event["event_time"].startswith("2026-07-01T12:00:00.") for event in topics.events(ORDERS_EVENTS))


def test_a_start_is_a_time_with_a_zone_or_now() -> None:
    assert moment("2026-07-01T12:00:00Z") == dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
    assert moment("now").tzinfo is dt.UTC
    for wrong, reason in (("tomorrow", "is no time"), ("2026-07-01T12:00:00", "has no zone")):
        with pytest.raises(StreamError, match=reason):
            moment(wrong)


def test_the_daily_curve_moves_the_rate_and_keeps_the_mean() -> None:
    simulation = Simulation(Shop(CONFIG))
    state = simulation.first_state(8_640)
    rates = []
    for hour in range(24):
        moved = state.__class__(**{**vars(state), "clock_us": state.clock_us + hour * 3_600_000_000})
        rates.append(simulation.next_interval(moved, Pace(1_000, daily_curve=True, life_cycle_speed=8_640)).rate)
    assert max(rates) > 10 * min(rates)
    assert np.mean(rates) == pytest.approx(1_000)


def test_every_slot_carries_one_event() -> None:
    simulation = Simulation(Shop(CONFIG))
    state = simulation.first_state(PACE.life_cycle_speed)
    for _ in range(5):
        interval = simulation.next_interval(state, PACE)
        slots = np.concatenate([interval.order_slots, interval.product_slots, interval.customer_slots])
        assert sorted(slots.tolist()) == list(range(interval.slots))
        assert len(interval.orders) == len(interval.order_slots)
        assert np.all(np.diff(interval.orders.times_ms) >= 0)
        state = interval.state
