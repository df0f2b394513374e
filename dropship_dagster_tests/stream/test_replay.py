"""Replaying the CSV files: everything once, in order, at the asked rate, resumable, and what is bad is named."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from dropship_dagster.shop import ShopConfig, ShopError, TooManyRejectsError, generate, read, read_manifest
from dropship_dagster.shop.contract import ORDER_EVENTS
from dropship_dagster.stream import CUSTOMERS, ORDERS_EVENTS, PRODUCTS, StreamError, replay
from dropship_dagster.stream.ids import EVENT_NAMESPACE
from dropship_dagster_tests.stream.conftest import Topics

ENVELOPE = ["event_id", "event_type", "schema_version", "version", "event_time"]


def test_every_row_arrives_once_with_its_key_time_and_headers(topics: Topics, seeds: Path) -> None:
    report = replay(topics.client, seeds, topic_names=topics.names)
    rows = topics.rows()
    manifest = read_manifest(seeds)
    assert manifest is not None
    expected = sum(manifest.files[name].rows for name in ("customers.csv", "products.csv", "order_events.csv"))
    assert report.sent == report.acknowledged == len(rows) == expected
    assert (report.failed, report.refused, report.rejected_rows) == (0, 0, 0)
    assert report.bytes == sum(len(row["key"]) + len(row["value"]) for row in rows)
    assert len({json.loads(row["value"])["event_id"] for row in rows}) == expected
    for row in rows:
        value = json.loads(row["value"])
        assert list(value)[:5] == ENVELOPE
        assert row["headers"] == '[["content-type", "application/json"], ["producer", "replay"]]'
        assert row["timestamp"] == dt.datetime.fromisoformat(value["event_time"]).replace(tzinfo=None)
        assert row["key"].decode() in (value.get("order_id"), value.get("customer_id"), value.get("product_id"))
    assert json.loads(report.to_json())["acknowledged"] == expected


def test_the_events_say_what_the_contract_promises(topics: Topics, seeds: Path) -> None:
    replay(topics.client, seeds, topic_names=topics.names)
    events = topics.events(ORDERS_EVENTS)
    members = {
        "order_placed": [
            *("customer_id", "channel", "country", "currency", "exchange_rate", "payment_method", "discount_code"),
            *("discount", "shipping_fee", "total", "promised_at", "lines"),
        ],
        "order_paid": [],
        "order_shipped": ["carrier", "tracking_number"],
        "order_delivered": [],
        "order_cancelled": ["reason", "refunded_amount"],
        "order_returned": ["reason", "refunded_amount"],
    }
    assert {event["event_type"] for event in events} == set(members)
    for event in events:
        assert list(event) == [*ENVELOPE, "order_id", *members[event["event_type"]]]
        name = f"orders_events/{event['order_id']}/{event['version']}"
        assert event["event_id"] == str(uuid.uuid5(EVENT_NAMESPACE, name))
        if event["event_type"] == "order_placed":
            goods = sum(line["quantity"] * line["unit_price"] for line in event["lines"])
            assert round(goods - event["discount"] + event["shipping_fee"], 2) == event["total"]
            assert [line["line_no"] for line in event["lines"]] == list(range(1, len(event["lines"]) + 1))
            assert list(event["lines"][0]) == ["line_no", "product_id", "size", "quantity", "unit_price", "unit_cost"]
    product = topics.events(PRODUCTS)[0]
    assert isinstance(product["sizes"], list)
    assert set(product["supplier"]) == {
        *("supplier_id", "name", "country", "lead_time_days", "reliability", "return_window_days")
    }
    assert "supplier_id" not in product
    customer = topics.events(CUSTOMERS)[0]
    assert customer["event_time"] == customer["signed_up_at"]


def test_the_events_of_a_partition_are_in_event_order(topics: Topics, seeds: Path) -> None:
    replay(topics.client, seeds, topic_names=topics.names)
    times: dict[int, list[dt.datetime]] = {}
    for row in topics.rows():
        if row["topic"] == topics.names[ORDERS_EVENTS]:
            times.setdefault(row["partition"], []).append(row["timestamp"])
    assert len(times) == 3
    assert all(moments == sorted(moments) for moments in times.values())


def test_a_second_replay_sends_the_same_bytes(new_topics: Callable[[], Topics], seeds: Path) -> None:
    one, two = new_topics(), new_topics()
    replay(one.client, seeds, topic_names=one.names)
    replay(two.client, seeds, topic_names=two.names)
    content = [
        [(row["partition"], row["offset"], row["key"], row["value"]) for row in topics.rows()] for topics in (one, two)
    ]
    assert content[0] == content[1]


def test_files_of_ones_own_are_sorted_by_event_time(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    (folder / "manifest.json").unlink()
    shuffled = random.Random(1)
    for name in ("orders.csv", "order_lines.csv", "order_events.csv"):
        header, *rows = (folder / name).read_text().splitlines(keepends=True)
        shuffled.shuffle(rows)
        (folder / name).write_text(header + "".join(rows))
    report = replay(topics.client, folder, topic_names=topics.names)
    expected = read(seeds, ORDER_EVENTS).num_rows
    events = topics.events(ORDERS_EVENTS)
    assert report.rejected_rows == 0
    assert len(events) == expected
    by_order: dict[str, list[int]] = {}
    for event in events:
        by_order.setdefault(event["order_id"], []).append(event["version"])
        if event["event_type"] == "order_placed":
            assert [line["line_no"] for line in event["lines"]] == list(range(1, len(event["lines"]) + 1))
    assert all(versions == sorted(versions) for versions in by_order.values())


def test_text_with_quotes_arrives_as_it_is(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    (folder / "manifest.json").unlink()
    name = 'O"Neil, \\ <b>Ünï</b>'
    with (folder / "customers.csv").open(newline="") as file:
        header, first, *rest = list(csv.reader(file))
    with (folder / "customers.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, [first[0], name, *first[2:]], *rest])
    replay(topics.client, folder, topic_names=topics.names)
    assert name in {customer["name"] for customer in topics.events(CUSTOMERS)}


def test_bad_rows_are_left_out_and_listed(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    (folder / "manifest.json").unlink()
    orders = (folder / "orders.csv").read_text().splitlines(keepends=True)
    lost = orders.pop(5).split(",")[0]
    (folder / "orders.csv").write_text("".join(orders))
    report = replay(
        topics.client, folder, topic_names=topics.names, rejected_rows=tmp_path / "rejects.csv", reject_share=0.5
    )
    with (tmp_path / "rejects.csv").open(newline="") as file:
        rejects = list(csv.DictReader(file))
    assert report.rejected_rows == len(rejects)
    assert report.rejects_file == str(tmp_path / "rejects.csv")
    placed = [reject for reject in rejects if reject["file"] == "order_events.csv"]
    assert [(reject["row"], reject["reason"]) for reject in placed] == [
        (lost, "order_placed has no order in orders.csv")
    ]
    assert lost not in {e["order_id"] for e in topics.events(ORDERS_EVENTS) if e["event_type"] == "order_placed"}


def with_another_column(header: list[str], rows: list[list[str]]) -> None:
    header.append("loyalty")
    for row in rows:
        row.append("gold")


def without_a_column(header: list[str], rows: list[list[str]]) -> None:
    for row in (header, *rows):
        del row[3]


@pytest.mark.parametrize("process_from", [0, 1 << 60], ids=["process", "thread"])
@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("order_events.csv", with_another_column, r"order_events\.csv: the header has the unknown 'loyalty'"),
        ("order_lines.csv", without_a_column, r"order_lines\.csv: the header lacks size"),
    ],
)
def test_files_with_other_columns_are_refused_before_anything_is_sent(
    topics: Topics,
    seeds: Path,
    tmp_path: Path,
    file: str,
    change: Callable[[list[str], list[list[str]]], None],
    said: str,
    process_from: int,
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    with (folder / file).open(newline="") as text:
        header, *rows = csv.reader(text)
    change(header, rows)
    with (folder / file).open("w", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
    with pytest.raises(ShopError, match=said):
        replay(topics.client, folder, topic_names=topics.names, process_from=process_from)
    assert topics.count() == 0


def test_rows_that_lack_a_required_cell_are_left_out_with_its_name(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    (folder / "manifest.json").unlink()
    with (folder / "customers.csv").open(newline="") as text:
        header, *rows = csv.reader(text)
    rows[7][header.index("segment")] = rows[9][header.index("phone")] = ""  # a telephone is not required
    with (folder / "customers.csv").open("w", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
    report = replay(topics.client, folder, topic_names=topics.names, rejected_rows=tmp_path / "rejects.csv")
    with (tmp_path / "rejects.csv").open(newline="") as text:
        [reject] = csv.DictReader(text)
    assert (reject["file"], reject["line"], reject["column"]) == ("customers.csv", "9", "segment")
    assert reject["reason"] == "is empty"
    assert report.rejected_rows == 1
    sent = {customer["customer_id"]: customer for customer in topics.events(CUSTOMERS)}
    assert set(sent) == {row[0] for row in rows} - {rows[7][0]}
    assert sent[rows[9][0]]["phone"] is None


def test_a_manifest_of_a_newer_format_is_refused(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": manifest["format"] + 1}))
    with pytest.raises(ShopError, match="has format 2, this version reads 1: remove it"):
        replay(topics.client, folder, topic_names=topics.names)


@pytest.mark.parametrize("process_from", [0, 1 << 60], ids=["process", "thread"])
def test_a_list_of_rejected_rows_that_cannot_be_written_is_a_sentence(
    topics: Topics, tmp_path: Path, process_from: int
) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=100, products=30, orders=400, dirty=0.02), folder)
    (tmp_path / "file").write_text("")
    listed = tmp_path / "file" / "rows.csv"
    with pytest.raises(ShopError, match=r"rejected rows cannot be listed in .*rows\.csv \(Not a directory\)"):
        replay(topics.client, folder, topic_names=topics.names, rejected_rows=listed, process_from=process_from)
    assert topics.count() == 0


def test_a_file_full_of_bad_rows_stops_the_replay(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    events = (folder / "order_events.csv").read_text().replace("order_paid", "order_payed")
    (folder / "order_events.csv").write_text(events)
    with pytest.raises(TooManyRejectsError, match=r"order_events\.csv"):
        replay(topics.client, folder, topic_names=topics.names)


def test_dirty_files_go_through_but_for_their_bad_rows(topics: Topics, tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=100, products=30, orders=1_000, dirty=0.02), folder)
    report = replay(
        topics.client, folder, topic_names=topics.names, rejected_rows=tmp_path / "rejects.csv", reject_share=0.1
    )
    events = topics.events(ORDERS_EVENTS)
    assert report.acknowledged == report.sent
    assert report.rejected_rows > 50
    ids = [event["event_id"] for event in events]
    assert len(ids) > len(set(ids)), "duplicates are sent as they are"
    newest: dict[str, int] = {}
    late = 0
    for event in events:
        late += event["version"] < newest.get(event["order_id"], 0)
        newest[event["order_id"]] = max(event["version"], newest.get(event["order_id"], 0))
    assert late > 5, "late events come late"


@pytest.mark.parametrize("rate", [50, 1_000])
def test_the_rate_is_kept(topics: Topics, seeds: Path, rate: int) -> None:
    stop = threading.Event()
    wanted = rate * 2 if rate < 100 else 2_000

    def count(_topic: str, done: int, _total: int | None) -> None:
        if done >= wanted:
            stop.set()

    began = time.monotonic()
    report = replay(topics.client, seeds, rate=rate, stop=stop, progress=count, topic_names=topics.names)
    assert report.requested_rate == rate
    assert report.stopped == (wanted < 2_000) or report.sent < wanted
    # Never faster than asked, whatever the machine does; how exactly is measured by benchmarks/replay.py.
    assert report.sent - 1 <= (time.monotonic() - began) * rate
    assert report.acknowledged == report.sent


def test_a_time_lapse_keeps_the_distances(topics: Topics, seeds: Path) -> None:
    events = read(seeds, ORDER_EVENTS)["event_time"].cast("int64").to_pylist()
    span = (events[-1] - events[0]) / 1_000
    report = replay(topics.client, seeds, speed=span / 2.0, topic_names=topics.names)
    assert report.sent == report.acknowledged
    assert report.seconds >= 2.0 - 0.05


def test_a_rate_and_a_speed_together_are_refused(topics: Topics, seeds: Path) -> None:
    with pytest.raises(StreamError, match="choose one"):
        replay(topics.client, seeds, rate=10, speed=2)


def test_a_folder_without_files_is_named(topics: Topics, tmp_path: Path) -> None:
    with pytest.raises(ShopError, match=r"customers\.csv"):
        replay(topics.client, tmp_path, topic_names=topics.names)


def test_a_stopped_replay_has_acknowledged_all_it_sent(topics: Topics, seeds: Path) -> None:
    stop = threading.Event()

    def count(_topic: str, done: int, _total: int | None) -> None:
        if done >= 20:
            stop.set()

    report = replay(topics.client, seeds, rate=100, stop=stop, progress=count, topic_names=topics.names)
    assert report.stopped
    assert 0 < report.sent == report.acknowledged == topics.count()


def test_a_message_too_large_is_named_and_the_others_go_through(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(seeds, folder)
    (folder / "manifest.json").unlink()
    lines = (folder / "customers.csv").read_text().splitlines(keepends=True)
    cells = lines[1].split(",")
    lines[1] = ",".join([cells[0], "x" * 10_000_000, *cells[2:]])
    (folder / "customers.csv").write_text("".join(lines))
    rejects = tmp_path / "messages.jsonl"
    report = replay(topics.client, folder, topic_names=topics.names, rejected_messages=rejects)
    counts = report.topics[topics.names[CUSTOMERS]]
    assert (counts.refused, counts.sent, counts.acknowledged) == (1, 99, 99)
    [entry] = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert entry["key"] == cells[0]
    assert entry["bytes"] > 10_000_000
    assert "message.max.bytes" in entry["reason"]
    assert len(topics.events(CUSTOMERS)) == 99


def test_a_message_the_broker_refuses_is_counted_as_failed_and_named(
    new_topics: Callable[[], Topics], seeds: Path, tmp_path: Path
) -> None:
    topics = new_topics()
    client = {**topics.client, "message.timeout.ms": "3000"}
    report = replay(
        client,
        seeds,
        topic_names={**topics.names, CUSTOMERS: "a-topic-that-is-not-there"},
        rejected_messages=tmp_path / "messages.jsonl",
    )
    counts = report.topics["a-topic-that-is-not-there"]
    assert counts.failed == 100
    assert counts.acknowledged == 0
    assert report.topics[topics.names[PRODUCTS]].acknowledged == 30
    assert report.errors
    assert len((tmp_path / "messages.jsonl").read_text().splitlines()) >= 100


_KILLED = """
import sys
from pathlib import Path
from dropship_dagster.stream import replay
replay(%r, Path(%r), rate=2000, topic_names=%r, resume=Path(%r), checkpoint_seconds=0.1)
"""


def test_a_killed_replay_goes_on_where_it_was(new_topics: Callable[[], Topics], tmp_path: Path) -> None:
    topics = new_topics()
    folder, resume = tmp_path / "seeds", tmp_path / "replay.checkpoint"
    generate(ShopConfig(customers=100, products=30, orders=2_000), folder)
    manifest = read_manifest(folder)
    assert manifest is not None
    total = sum(manifest.files[name].rows for name in ("customers.csv", "products.csv", "order_events.csv"))
    program = _KILLED % (topics.client, str(folder), topics.names, str(resume))
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        while not (resume.exists() and json.loads(resume.read_text())["position"]):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = topics.count()
    assert 0 < before < total, "the kill struck in the middle"
    report = replay(topics.client, folder, topic_names=topics.names, resume=resume)
    assert 0 < report.skipped <= before
    assert report.skipped + report.sent == total
    assert len({json.loads(row["value"])["event_id"] for row in topics.rows()}) == total
    again = replay(topics.client, folder, topic_names=topics.names, resume=resume)
    assert (again.sent, again.skipped) == (0, total)


def test_a_checkpoint_of_another_folder_is_not_used(topics: Topics, seeds: Path, tmp_path: Path) -> None:
    resume = tmp_path / "replay.checkpoint"
    resume.write_text(json.dumps({"identity": "another", "position": 100}))
    report = replay(topics.client, seeds, topic_names=topics.names, resume=resume)
    assert report.skipped == 0
    assert json.loads(resume.read_text())["position"] == report.sent
