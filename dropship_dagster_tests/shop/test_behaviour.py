"""The default shop looks like a shop: what docs/shop.md argues, held by numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dropship_dagster.shop import ShopConfig, check, generate, read
from dropship_dagster.shop.contract import CUSTOMERS, ORDER_EVENTS, ORDER_LINES, ORDERS, PRODUCTS, SUPPLIERS


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """A larger shop, so that shares are steady."""
    folder: Path = tmp_path_factory.mktemp("large") / "seeds"
    generate(ShopConfig(customers=8_000, products=400, orders=40_000), folder)
    tables = (CUSTOMERS, SUPPLIERS, PRODUCTS, ORDERS, ORDER_LINES, ORDER_EVENTS)
    return {table.name: read(folder, table) for table in tables}


def test_generated_files_meet_their_own_contract(seeds: Path) -> None:
    report = check(seeds)
    assert report.ok, report.findings
    assert report.files["orders.csv"] == 5_000


def test_france_comes_first(shop: dict[str, pa.Table]) -> None:
    countries = Counter(shop["orders"]["country"].to_pylist())
    assert countries.most_common(1)[0][0] == "FR"
    assert 0.4 < countries["FR"] / 40_000 < 0.55
    assert len(countries) >= 10


def test_the_shop_grows_from_one_year_to_the_next(shop: dict[str, pa.Table]) -> None:
    years = Counter(pc.year(shop["orders"]["ordered_at"]).to_pylist())
    assert 1.15 < years[2025] / years[2024] < 1.6


def test_black_friday_is_the_busiest_week(shop: dict[str, pa.Table]) -> None:
    days = Counter(moment.date() for moment in shop["orders"]["ordered_at"].to_pylist())
    busiest = max(days, key=lambda day: days[day])
    assert (busiest.month, busiest.day) >= (11, 24) or (busiest.month, busiest.day) == (12, 1)


def test_evenings_sell_more_than_nights(shop: dict[str, pa.Table]) -> None:
    hours = Counter(pc.hour(shop["orders"]["ordered_at"]).to_pylist())
    assert hours[19] > 10 * hours[3]


def test_coats_sell_in_winter_and_swimsuits_in_summer(shop: dict[str, pa.Table]) -> None:
    months = pc.month(shop["orders"]["ordered_at"])
    lines = shop["order_lines"].join(shop["orders"].select(["order_id"]).append_column("month", months), "order_id")
    lines = lines.join(shop["products"].select(["product_id", "subcategory"]), "product_id")
    sold = Counter(zip(lines["subcategory"].to_pylist(), lines["month"].to_pylist(), strict=True))
    assert sold["Coat", 11] > 5 * sold["Coat", 6]
    assert sold["Swimsuit", 7] > 5 * sold["Swimsuit", 11]


def test_a_few_products_sell_much_and_most_sell_little(shop: dict[str, pa.Table]) -> None:
    sold = sorted(Counter(shop["order_lines"]["product_id"].to_pylist()).values(), reverse=True)
    top = sum(sold[:40]) / sum(sold)
    assert 0.3 < top < 0.75, "a tenth of the catalogue makes this share of the lines"


def test_many_customers_come_once_and_some_come_back_often(shop: dict[str, pa.Table]) -> None:
    orders = Counter(shop["orders"]["customer_id"].to_pylist())
    counts = list(orders.values())
    assert sum(count == 1 for count in counts) / len(counts) > 0.15
    assert max(counts) > 20


def test_nobody_buys_before_registering_or_what_is_not_on_sale_yet(shop: dict[str, pa.Table]) -> None:
    customers = shop["customers"].select(["customer_id", "signed_up_at"])
    orders = shop["orders"].select(["order_id", "customer_id", "ordered_at"])
    joined = orders.join(customers, "customer_id")
    assert pc.all(pc.less_equal(joined["signed_up_at"], joined["ordered_at"])).as_py()
    lines = shop["order_lines"].select(["order_id", "product_id"]).join(orders, "order_id")
    lines = lines.join(shop["products"].select(["product_id", "created_at"]), "product_id")
    assert pc.all(pc.less_equal(lines["created_at"], lines["ordered_at"])).as_py()


def test_suppliers_differ_in_delay_and_margin(shop: dict[str, pa.Table]) -> None:
    products = shop["products"].append_column(
        "margin",
        pc.subtract(
            1.0, pc.divide(pc.cast(shop["products"]["cost"], "float64"), pc.cast(shop["products"]["price"], "float64"))
        ),
    )
    margins = products.group_by("supplier_id").aggregate([("margin", "mean")])
    by_supplier = dict(zip(margins["supplier_id"].to_pylist(), margins["margin_mean"].to_pylist(), strict=True))
    assert by_supplier["S010"] > by_supplier["S001"] + 0.2

    delivered = shop["order_events"].filter(pc.equal(shop["order_events"]["event_type"], "order_delivered"))
    one = shop["order_lines"].group_by("order_id").aggregate([("line_no", "max"), ("product_id", "min")])
    one = one.filter(pc.equal(one["line_no_max"], 1)).rename_columns({"product_id_min": "product_id"})
    rows = delivered.select(["order_id", "event_time"]).join(one, "order_id", join_type="inner")
    rows = rows.join(shop["orders"].select(["order_id", "promised_at"]), "order_id")
    rows = rows.join(shop["products"].select(["product_id", "supplier_id"]), "product_id")
    late = pc.greater(rows["event_time"], rows["promised_at"])
    shares = {
        supplier: pc.mean(pc.cast(late.filter(pc.equal(rows["supplier_id"], supplier)), "float64")).as_py()
        for supplier in ("S001", "S010")
    }
    assert shares["S010"] > shares["S001"] + 0.05


def test_the_life_of_every_order_is_in_order(shop: dict[str, pa.Table]) -> None:
    events = shop["order_events"]
    followers = {
        "order_placed": {"order_paid", "order_cancelled"},
        "order_paid": {"order_shipped", "order_cancelled"},
        "order_shipped": {"order_delivered"},
        "order_delivered": {"order_returned"},
        "order_cancelled": set(),
        "order_returned": set(),
    }
    last: dict[str, tuple[int, str, object]] = {}
    rows = zip(*(events[name].to_pylist() for name in ("order_id", "version", "event_type", "event_time")), strict=True)
    for order, version, kind, moment in rows:
        if order not in last:
            assert (version, kind) == (1, "order_placed")
        else:
            before = last[order]
            assert version == before[0] + 1
            assert kind in followers[before[1]]
            assert moment >= before[2]
        last[order] = (version, kind, moment)
    assert len(last) == 40_000


def test_events_are_in_the_order_of_their_times_and_end_with_history(shop: dict[str, pa.Table]) -> None:
    times = shop["order_events"]["event_time"].cast("int64").to_pylist()
    assert times == sorted(times)
    assert times[-1] < ShopConfig().parameters.period.end_ms


def test_carrier_reason_and_refund_come_with_their_events(shop: dict[str, pa.Table]) -> None:
    for event in shop["order_events"].slice(0, 30_000).to_pylist():
        kind = event["event_type"]
        assert (event["carrier"] is not None) == (event["tracking_number"] is not None) == (kind == "order_shipped")
        ends = kind in ("order_cancelled", "order_returned")
        assert (event["reason"] is not None) == (event["refunded_amount"] is not None) == ends


def test_returns_and_cancellations_are_those_of_the_trade(shop: dict[str, pa.Table]) -> None:
    kinds = Counter(shop["order_events"]["event_type"].to_pylist())
    assert 0.02 < kinds["order_cancelled"] / kinds["order_placed"] < 0.08
    assert 0.1 < kinds["order_returned"] / kinds["order_delivered"] < 0.3


def test_tracking_numbers_are_distinct(shop: dict[str, pa.Table]) -> None:
    numbers = shop["order_events"]["tracking_number"].drop_null()
    assert len(pc.unique(numbers)) == len(numbers)
